"""With labels: how good the answers were, slice by slice, and whether the labels have moved.

Every metric comes with its standard error, so that few labels raise no false alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy import stats

from trainyard.raw_values import stored_text
from trainyard.recipe_schema import Task
from trainyard.serving.monitor import bins, two_samples
from trainyard.serving.monitor.comparisons import Comparison
from trainyard.serving.monitor.two_samples import Array
from trainyard.trainer_modules.harness import names
from trainyard.wording import counted

METRICS: dict[str, tuple[Task, ...]] = {
    "auc": ("binary",),
    "accuracy": ("binary", "multiclass"),
    "precision": ("binary",),
    "recall": ("binary",),
    "log_loss": ("binary", "multiclass"),
    "brier": ("binary",),
    "mae": ("regression",),
    "mse": ("regression",),
    "rmse": ("regression",),
}
"""The recipe's metrics that have a standard error here, and the tasks they fit."""

_ERRORS = frozenset({"mae", "mse", "rmse"})
_SHARES = frozenset({"accuracy", "precision", "recall"})
_HIGHER = _SHARES | {"auc"}
_FEWEST_ROWS = 30
_FEWEST_ALIKE = 20  # rows of a bin: each class in it needs some
_FEWEST_OF_A_CLASS = 10  # with fewer, DeLong's variance is itself a matter of chance
_LEAST_PROBABILITY = 1e-15  # as the Evaluator's log_loss


class Estimate(NamedTuple):
    """A metric's value and how sure it is.

    Attributes:
        value: The metric.
        error: Its standard error.
        wrong: Of a share: of how many rows it does not hold.
        rows: Of how many.
    """

    value: float
    error: float
    wrong: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Judged:
    """Rows of one head with their labels.

    Attributes:
        answers: The model's, `(n, 1)` or `(n, classes)`.
        labels: Shape `(n,)`: indices of classes, of a number the number itself.
        columns: Those that slices are named after, shape `(n,)`.
    """

    answers: Array
    labels: Array
    columns: Mapping[str, pa.Array]

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, rows: Array) -> Judged:
        """Returns only those rows."""
        kept = pa.array(rows)
        columns = {name: values.filter(kept) for name, values in self.columns.items()}
        return Judged(self.answers[rows], self.labels[rows], columns)


def estimate(metric: str, judged: Judged) -> Estimate | None:
    """Computes a metric; None if the rows do not define it.

    Args:
        metric: A word of `METRICS`.
        judged: Rows with labels.
    """
    if metric == "auc":
        return _auc(judged.answers[:, 0], judged.labels == 1)
    values = _of_rows(metric, judged)
    if len(values) < 2:
        return None
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    if metric in _SHARES:
        return Estimate(mean, error, int(np.count_nonzero(values == 0)), len(values))
    if metric == "rmse":  # by the delta method
        root = float(np.sqrt(mean))
        return Estimate(root, error / (2 * root) if root else 0.0)
    return Estimate(mean, error)


def _of_rows(metric: str, judged: Judged) -> Array:
    """What the metric is the mean of."""
    answers, labels = judged.answers, judged.labels
    if metric in _ERRORS:
        off = answers[:, 0].astype(np.float64) - labels
        return np.abs(off) if metric == "mae" else off**2
    if metric == "brier":
        return np.asarray((answers[:, 0].astype(np.float64) - (labels == 1)) ** 2)
    if metric == "log_loss":
        shares = np.clip(_shares(answers), _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
        return np.asarray(-np.log(shares[np.arange(len(labels)), labels.astype(int)]))
    chosen = predicted(answers)
    right = chosen == labels
    counted = {"precision": chosen == 1, "recall": labels == 1}.get(metric)
    return np.asarray(right if counted is None else right[counted], np.float64)


def _shares(answers: Array) -> Array:
    """Probabilities of all classes, `(n, classes)`."""
    answers = answers.astype(np.float64)
    return np.concatenate([1 - answers, answers], axis=1) if answers.shape[1] == 1 else answers


def predicted(answers: Array) -> Array:
    """The index of the most probable class, `(n,)`."""
    if answers.shape[1] == 1:
        return (answers[:, 0] > 0.5).astype(np.int64)
    return np.asarray(answers.argmax(axis=1))


def _auc(scores: Array, positive: Array) -> Estimate | None:
    """The area under the ROC curve with DeLong's variance.

    Source: DeLong, DeLong and Clarke-Pearson (1988); by midranks, Sun and Xu (2014).
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < _FEWEST_OF_A_CLASS:
        return None
    ranks = stats.rankdata(scores)
    above = (ranks[positive] - stats.rankdata(scores[positive])) / n  # of each positive row
    below = 1 - (ranks[~positive] - stats.rankdata(scores[~positive])) / m
    variance = above.var(ddof=1) / m + below.var(ddof=1) / n
    return Estimate(float(above.mean()), float(np.sqrt(variance)))


def of_quality(
    head: str,
    metrics: Sequence[str],
    slices: Sequence[Sequence[str]],
    before: Judged,
    now: Judged,
) -> Iterator[Comparison]:
    """Compares metrics on all rows and on each slice with those of the evaluation.

    Args:
        head: Whose.
        metrics: Words of `METRICS`.
        slices: Columns to slice by; those that the rows have not got are left out.
        before: The rows that the model was evaluated on.
        now: Those of the window whose labels are known.
    """
    for name, *parts in _sliced(slices, before, now):
        for metric in metrics:
            old, new = (estimate(metric, part) for part in parts)
            if old is not None and new is not None:
                yield _compared(names.of(head, metric), metric, name, old, new, len(parts[1]))


def _compared(
    name: str, metric: str, slice: str, old: Estimate, new: Estimate, rows: int
) -> Comparison:
    worse = old.value - new.value if metric in _HIGHER else new.value - old.value
    beyond = worse / old.value if metric in _ERRORS and old.value else worse
    detail = f"{old.value:.4g}, now {new.value:.4g} on {counted(rows, 'row')}"
    p_value = _p_value(worse, old, new)
    return Comparison("quality", new.value, beyond, name, slice, old.value, p_value, detail)


def _p_value(worse: float, old: Estimate, new: Estimate) -> float:
    """How likely a metric is so much worse by chance."""
    if new.rows:  # exact: the standard error of few rows that are all wrong is 0
        return two_samples.more_often(new.wrong, new.rows, old.wrong, old.rows)
    error = np.hypot(old.error, new.error)
    return float(stats.norm.sf(worse / error)) if error else float(worse <= 0)


def _sliced(
    slices: Sequence[Sequence[str]], before: Judged, now: Judged
) -> Iterator[tuple[str, Judged, Judged]]:
    """All rows, then every slice with rows enough on both sides."""
    if min(len(before), len(now)) >= _FEWEST_ROWS:
        yield "", before, now
    for columns in slices:
        if not all(name in now.columns and name in before.columns for name in columns):
            continue
        old, new = _keys(before, columns), _keys(now, columns)
        for key in sorted(set(new.tolist()) & set(old.tolist())):
            parts = old == key, new == key
            if key and min(part.sum() for part in parts) >= _FEWEST_ROWS:
                yield key, before.where(parts[0]), now.where(parts[1])


def _keys(judged: Judged, columns: Sequence[str]) -> Array:
    """Each row's slice in words; empty where a value is missing."""
    values = [map(_text, judged.columns[name].to_pylist()) for name in columns]
    keys = [
        "" if None in row else " and ".join(map("{} = {}".format, columns, row))
        for row in zip(*values, strict=True)
    ]
    return np.array(keys, object)


def _text(value: object) -> str | None:
    """The text of a value as in the Evaluator's slices; None if it is missing."""
    if value is None or value != value:
        return None
    return stored_text(value.decode("utf-8", "replace") if isinstance(value, bytes) else value)


def of_concept(head: str, task: Task, before: Judged, now: Judged) -> Iterator[Comparison]:
    """Looks whether rows that are answered alike have other labels than before.

    Shares of answers may have moved (`prediction`); what an answer means should not.

    Args:
        head: Whose.
        task: What it predicts.
        before: The rows that the model was evaluated on.
        now: Those of the window whose labels are known.
    """
    if min(len(before), len(now)) < _FEWEST_ROWS:
        return
    if task == "regression":
        errors = [part.labels - part.answers[:, 0] for part in (before, now)]
        apart = two_samples.numbers(*errors)
    else:
        apart = _moved_labels(before, now)
    yield Comparison(
        "concept", apart.distance, apart.distance, head or "label", p_value=apart.p_value
    )


def _moved_labels(before: Judged, now: Judged) -> two_samples.Apart:
    """Compares the shares of labels bin by bin of answers that are alike.

    The distance is what the bins' changes come to for all rows of the window; the p-value is
    that of chi-squared, added up over the bins.
    """
    edges = bins.edges(before.answers[:, 0], len(now), _FEWEST_ALIKE)
    classes = int(max(before.labels.max(), now.labels.max())) + 1
    pairs = np.stack([_counts(part, edges, classes) for part in (before, now)], axis=1)
    rows = pairs.sum(axis=2)
    used = rows.all(axis=1)
    if not used.any():
        return two_samples.Apart(0.0, 1.0)
    pairs, rows = pairs[used], rows[used]
    shares = pairs / rows[..., np.newaxis]
    changes = np.abs(shares[:, 1] - shares[:, 0]).sum(axis=1) / 2
    distance = float(np.average(changes, weights=rows[:, 1]))
    found = [two_samples.chi_squared(pair) for pair in pairs]
    total, freedom = (sum(values) for values in zip(*found, strict=True))
    return two_samples.Apart(distance, float(stats.chi2.sf(total, freedom)) if freedom else 1.0)


def _counts(part: Judged, edges: Array, classes: int) -> Array:
    """Counts labels, `(bins, classes)`; of several classes the most probable is the bin."""
    several = part.answers.shape[1] > 1
    numbers = part.answers[:, 0]
    places = predicted(part.answers) if several else np.searchsorted(edges, numbers, side="right")
    counts = np.zeros((part.answers.shape[1] if several else len(edges) + 1, classes), np.int64)
    np.add.at(counts, (places, part.labels.astype(np.int64)), 1)
    return counts
