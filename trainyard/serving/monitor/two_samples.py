"""How far two samples are apart, and how likely that is by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Array = npt.NDArray[Any]
Counts = Mapping[Any, int]

FEWEST_EXPECTED = 5
"""Rows that chi-squared needs in every cell (Cochran 1954)."""

_LEAST_SHARE = 1e-4
"""What an empty bin counts as in a population stability index, which has a logarithm."""


class Apart(NamedTuple):
    """How far two samples are apart.

    Attributes:
        distance: From 0, where they are alike.
        p_value: How likely so large a distance is if both come from one distribution.
    """

    distance: float
    p_value: float


def numbers(reference: Array, window: Array) -> Apart:
    """Kolmogorov and Smirnov's distance of two samples of numbers, 0 to 1.

    Equal values make the test cautious: its p-value is then too large rather than too small.

    Args:
        reference: Shape `(m,)`; no NaN.
        window: Shape `(n,)`; no NaN.
    """
    if not len(reference) or not len(window):
        return Apart(0.0, 1.0)
    found = stats.ks_2samp(reference, window, method="asymp")
    return Apart(float(found.statistic), float(found.pvalue))


def categories(reference: Counts, window: Counts) -> Apart:
    """The largest difference of a value's shares (L-infinity), and Pearson's chi-squared test.

    Args:
        reference: How often each value occurs.
        window: Likewise.
    """
    table = _table(reference, window)
    rows = table.sum(axis=1, keepdims=True)
    if not rows.all():
        return Apart(0.0, 1.0)
    distance = np.abs(np.subtract(*(table / rows))).max()
    return Apart(float(distance), homogeneity(table))


def _table(reference: Counts, window: Counts) -> Array:
    """Counts of both, `(2, values)`, in an order that does not tell which side has a value."""
    values = sorted({*reference, *window}, key=repr)
    return np.array([[counts.get(value, 0) for value in values] for counts in (reference, window)])


def homogeneity(table: Array) -> float:
    """Tests whether both rows have the same shares.

    Pearson's chi-squared test adds up the values that are too rare for it, where one of them
    would go unnoticed: each of these is tested by Fisher's exact test too. All these tests
    are corrected for their number (Bonferroni).

    Args:
        table: Counts, `(2, values)`.

    Returns:
        The p-value; 1 if there are not two values to tell apart.
    """
    statistic, freedom = chi_squared(table)
    rare = table[:, _expected(table) < FEWEST_EXPECTED]
    tests = [stats.chi2.sf(statistic, freedom)] if freedom else []
    if rare.shape[1]:
        tests.append(_least_of_exact(rare, table.sum(axis=1)) * rare.shape[1])
    return float(min(1.0, min(tests) * len(tests))) if tests else 1.0


def _least_of_exact(counts: Array, rows: Array) -> float:
    """The least p-value of Fisher's exact tests, two-sided by twice the smaller side."""
    counts = np.unique(counts, axis=1)  # of thousands of values most are as rare as others
    test = stats.hypergeom(rows.sum(), counts.sum(axis=0), rows[1])
    return float(2 * np.minimum(test.cdf(counts[1]), test.sf(counts[1] - 1)).min())


def _expected(table: Array) -> Array:
    """How often each value is to be expected in the smaller sample."""
    return np.asarray(table.sum(axis=1).min() * table.sum(axis=0) / max(1, table.sum()))


def chi_squared(table: Array) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom; those of independent tables add up.

    Args:
        table: As for `homogeneity`.
    """
    table = _without_rare(table)
    if table.shape[1] < 2:
        return 0.0, 0
    found = stats.chi2_contingency(table, correction=False)
    return float(found.statistic), int(found.dof)


def _without_rare(table: Array) -> Array:
    """Adds up the rarest values until there are enough of them, then the next."""
    sums, expected = table.sum(axis=0), _expected(table)
    group, groups, filled = 0, np.zeros(len(sums), np.int64), 0.0
    for value in np.argsort(sums, kind="stable"):
        groups[value] = group
        filled += expected[value]
        if filled >= FEWEST_EXPECTED:
            group, filled = group + 1, 0.0
    groups[groups == group] = max(0, group - 1)  # the last ones, if they are too few
    return np.array([np.bincount(groups, row, max(1, group)) for row in table])


def more_often(count: int, rows: int, known_count: int, known_rows: int) -> float:
    """Fisher's exact test of whether something has become more frequent.

    Args:
        count: How often it occurs in the window.
        rows: Of so many.
        known_count: How often it occurred in the reference.
        known_rows: Of so many.

    Returns:
        The p-value, one-sided.
    """
    table = [[count, rows - count], [known_count, known_rows - known_count]]
    return float(stats.fisher_exact(table, alternative="greater")[1])


def another_share(count: int, rows: int, known_count: int, known_rows: int) -> float:
    """Fisher's exact test of whether something is more or less frequent; as `more_often`."""
    table = [[count, rows - count], [known_count, known_rows - known_count]]
    return float(stats.fisher_exact(table)[1])


def stability(table: Array) -> float:
    """Population stability index: the sum over bins of (q - p) log(q / p).

    Source: N. Siddiqi, Credit Risk Scorecards (2006).

    Args:
        table: Counts of the reference and of the window, `(2, bins)`.
    """
    before, now = np.maximum(_shares(table), _LEAST_SHARE)
    return float(((now - before) * np.log(now / before)).sum())


def divergence(table: Array) -> float:
    """Jensen-Shannon divergence to base 2: 0 for the same shares, 1 for none in common.

    Source: J. Lin, Divergence measures based on the Shannon entropy (1991).

    Args:
        table: Counts of the reference and of the window, `(2, bins)`.
    """
    shares = _shares(table)
    return float(special.rel_entr(shares, shares.mean(axis=0)).sum() / (2 * np.log(2)))


def _shares(table: Array) -> Array:
    """The shares of the bins that have any row."""
    shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    return np.asarray(shares[:, table.sum(axis=0) > 0])


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrects p-values for their number, whatever depends on what.

    With these, the chance that any of them is below a level by accident is at most the level,
    however columns hang together. Benjamini and Hochberg's correction would let the more false
    alarms through the more true ones there are; each alarm here may start a retraining.

    Source: S. Holm, A simple sequentially rejective multiple test procedure (1979).

    Args:
        p_values: One a test.

    Returns:
        In the same order, each at least as large as before.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.array(p_values, np.float64)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(value) for value in corrected]
