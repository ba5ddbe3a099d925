"""Areas under the ROC and the precision-recall curve, exact: from sorted scores, not from buckets.

Early stopping watches what the Evaluator judges by, so both compute it here. Equal
scores are one threshold; weights count as so many rows; all sums are 64-bit floats.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def auc(
    scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float:
    """Returns the area under the ROC curve: how often a positive row outscores a negative one.

    Equal to `sklearn.metrics.roc_auc_score`; a tie counts as one half.

    Args:
        scores: Of the positive class, `(n,)`.
        labels: 1 for a positive row, 0 for a negative one, `(n,)`; a share counts as both.
        weights: How much each row counts, `(n,)`, not negative; 1 if None.

    Returns:
        0 to 1; NaN if all weight is on one class, which leaves nothing to compare, or if a score
        is NaN.
    """
    positives, negatives = _cumulated(scores, labels, weights)
    everything = positives[-1] * negatives[-1]
    if not everything > 0:
        return float("nan")
    heights = (positives[1:] + positives[:-1]) / 2
    return float(heights @ np.diff(negatives) / everything)


def average_precision(
    scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float:
    """Returns the mean of the precisions at each threshold, weighted by the growth of recall.

    Equal to `sklearn.metrics.average_precision_score`: no interpolation between thresholds.

    Args:
        scores: Of the positive class, `(n,)`.
        labels: 1 for a positive row, 0 for a negative one, `(n,)`; a share counts as both.
        weights: How much each row counts, `(n,)`, not negative; 1 if None.

    Returns:
        0 to 1; NaN if no weight is on a positive row, or if a score is NaN.
    """
    positives, negatives = _cumulated(scores, labels, weights)
    if not positives[-1] > 0:
        return float("nan")
    found = positives[1:] + negatives[1:]
    precision = np.divide(positives[1:], found, out=np.zeros_like(found), where=found > 0)
    return float(precision @ np.diff(positives) / positives[-1])


def _cumulated(
    scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Floats, Floats]:
    """Weight of the positive and negative rows at or above each distinct score, from 0 up."""
    score = np.asarray(scores)
    label = np.asarray(labels, np.float64)
    weight = np.ones(len(score)) if weights is None else np.asarray(weights, np.float64)
    if np.isnan(score).any():
        return np.array([np.nan]), np.array([np.nan])
    order = np.argsort(score, kind="stable")[::-1]
    score, label, weight = score[order], label[order], weight[order]
    # The last row of each run of equal scores closes a threshold.
    last = np.append(score[1:] != score[:-1], True) if len(score) else np.zeros(0, bool)
    of_rows = (weight * label, weight * (1 - label))
    positives, negatives = (np.append(0.0, np.cumsum(rows)[last]) for rows in of_rows)
    return positives, negatives
