"""Two samples counted in the same bins, for measures of how far they are apart.

Bins are narrow where training's rows are, whatever values these have. What many rows
share is a bin of its own: a rare flag and the zeros of a zero-inflated number are
values, not ends of an interval.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from trainyard.serving.monitor.two_samples import FEWEST_EXPECTED, Array, Counts

_BINS = 10
_CATEGORIES = 20


class Bins(NamedTuple):
    """Rows of two samples, counted.

    Attributes:
        table: How many rows of the reference and of the window are in each, `(2, bins)`.
        names: What each has, in words.
    """

    table: Array
    names: Sequence[str]


def of_numbers(reference: Array, window: Array) -> Bins:
    """Counts numbers in the bins of `edges`.

    Args:
        reference: Shape `(m,)`; no NaN, m > 0.
        window: Shape `(n,)`; no NaN.
    """
    found = edges(reference, len(window))
    places = [np.searchsorted(found, sample, side="right") for sample in (reference, window)]
    table = np.array([np.bincount(each, minlength=len(found) + 1) for each in places])
    return Bins(table, _between(found))


def edges(reference: Array, rows: int, fewest: int = FEWEST_EXPECTED) -> Array:
    """Returns where to cut numbers into bins, ascending; a bin has its lower edge.

    Bins are tenths of the reference. A value that fills one alone is a bin of its own;
    the rows that have none of these are divided into tenths again. There are fewer bins
    where one would expect too few rows.

    Args:
        reference: Shape `(m,)`; no NaN, m > 0.
        rows: How many others are to be counted in these bins.
        fewest: How many rows a bin should expect.
    """
    reference = reference.astype(np.float64)
    expected = min(len(reference), rows)
    cuts, masses = _cuts(reference, _affordable(expected, fewest))
    rest = reference[~np.isin(reference, masses)]
    if len(masses) and len(rest):
        again, more = _cuts(rest, _affordable(expected * len(rest) / len(reference), fewest))
        cuts, masses = np.concatenate([cuts, again]), np.concatenate([masses, more])
    found: Array = np.unique(np.concatenate([cuts, masses, np.nextafter(masses, np.inf)]))
    return found


def _cuts(values: Array, bins: int) -> tuple[Array, Array]:
    """Where to cut values into bins of equally many, and the values that fill one alone."""
    cuts = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    found, times = np.unique(values, return_counts=True)
    return cuts, found[(times > 1) & (times >= len(values) / bins)]


def _affordable(rows: float, fewest: int = FEWEST_EXPECTED) -> int:
    """How many bins rows may have, so that each expects enough of them."""
    return int(np.clip(rows // fewest, 1, _BINS))


def _between(edges: Array) -> list[str]:
    """The bins' names: one value, or from one to below another."""
    if not len(edges):
        return ["all"]
    above = np.isin(edges, np.nextafter(edges, np.inf))  # right of a bin that is one value
    starts = [
        f"above {edges[place - 1]:.4g}" if after else f"{edge:.4g}"
        for place, (edge, after) in enumerate(zip(edges, above, strict=True))
    ]
    inner = [
        start if after else f"{start} to {edge:.4g}"
        for start, edge, after in zip(starts, edges[1:], above[1:], strict=False)
    ]
    last = starts[-1] if above[-1] else f"{starts[-1]} and more"
    return [f"below {edges[0]:.4g}", *inner, last]


def of_categories(reference: Counts, window: Counts) -> Bins:
    """Counts the most frequent values of either, and the others in groups.

    A group are values that follow one another when sorted, about equally many rows of the
    reference in each; a new value belongs to the group that it is sorted into.

    Args:
        reference: How often each value occurs.
        window: Likewise.
    """
    rows = min(sum(reference.values()), sum(window.values()))
    own = sorted({*_frequent(reference, rows), *_frequent(window, rows)}, key=_order)
    groups = _groups(reference, set(own), sum(window.values()))
    table = np.zeros((2, len(own) + len(groups) + 1), np.int64)
    places = {value: place for place, value in enumerate(own)}
    for side, counts in enumerate((reference, window)):
        for value, count in counts.items():
            place = places.get(value, -1)
            group = len(own) + bisect_right(groups, _order(value)) if place < 0 else place
            table[side, group] += count
    return Bins(table, [*map(shown, own), *["other values"] * (len(groups) + 1)])


def _frequent(counts: Counts, rows: int) -> Iterator[Any]:
    """The most frequent values, if of so many rows enough have them."""
    total = max(1, sum(counts.values()))
    for value in sorted(counts, key=lambda value: -counts[value])[:_CATEGORIES]:
        if counts[value] / total * rows >= FEWEST_EXPECTED:
            yield value


def _order(value: Any) -> tuple[bool, Any]:
    return isinstance(value, bytes), value  # whole numbers first: the two do not compare


def _groups(reference: Counts, own: set[Any], rows: int) -> list[tuple[bool, Any]]:
    """Where the groups of the values that have no bin of their own begin, but for the first."""
    rest = sorted((value for value in reference if value not in own), key=_order)
    filled = np.cumsum([reference[value] for value in rest])
    if not len(rest) or not filled[-1]:
        return []
    share = filled[-1] / sum(reference.values())
    bins = _affordable(min(filled[-1], share * rows))
    cuts = np.searchsorted(filled, filled[-1] * np.arange(1, bins) / bins, side="right")
    return [_order(rest[place]) for place in sorted({*cuts.tolist()}) if 0 < place < len(rest)]


def shown(value: object) -> str:
    """A value in words."""
    return repr(value.decode("utf-8", "replace")) if isinstance(value, bytes) else str(value)
