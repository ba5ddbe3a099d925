"""Everything that is measured of a window, with how likely it is by chance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from trainyard.serving.monitor import bins, two_samples
from trainyard.serving.monitor import reference as references
from trainyard.serving.monitor.answers import prediction_drift
from trainyard.serving.monitor.reference import Reference
from trainyard.serving.monitor.report import Kind
from trainyard.serving.monitor.rows import Columns, Rows
from trainyard.serving.monitor.two_samples import Array, Counts

Test = tuple[str, str, str, float | None]
"""What tells a test from another: column, slice, what it is of, p-value."""


@dataclass(frozen=True)
class Comparison:
    """One thing that was measured.

    Attributes:
        kind: What was measured.
        column: Of which column, or output of the model.
        slice: Of which slice; empty for all rows.
        measured: Its value in the window.
        reference: Its value in training; None where the measure is the distance from there.
        beyond: How far it is off: what the threshold is held against.
        p_value: How likely that is by chance; None for what is counted and not estimated.
        detail: What has changed, in words.
    """

    kind: Kind
    measured: float
    beyond: float
    column: str = ""
    slice: str = ""
    reference: float | None = None
    p_value: float | None = None
    detail: str = ""

    @property
    def test(self) -> Test:
        """Which test the p-value is from: distances of one column may share one."""
        distance = self.kind in ("linf", "js", "ks", "psi")
        return self.column, self.slice, "distribution" if distance else self.kind, self.p_value


def of_columns(
    reference: Reference, window: Columns, ignored: Iterable[str] = ()
) -> Iterator[Comparison]:
    """Compares the columns of a window with those of training.

    Args:
        reference: What training looked like.
        window: What was served; columns that it has not got are left out.
        ignored: Columns to leave out.
    """
    kinds = {n: k for n, k in reference.kinds.items() if n in window and n not in set(ignored)}
    for name, kind in kinds.items():
        yield _missing(reference, name, window[name])
        if len(window[name]) > window[name].null_count:
            compare = _numbers if kind == "number" else _categories
            yield from compare(reference, name, window[name])


def _missing(reference: Reference, name: str, window: pa.Array) -> Comparison:
    before, now = reference.missing[name] / reference.rows, window.null_count / len(window)
    test = (window.null_count, len(window), reference.missing[name], reference.rows)
    return Comparison(
        "missing",
        now,
        abs(now - before),
        name,
        reference=before,
        p_value=two_samples.another_share(*test),
        detail=f"{before:.1%} of the rows, now {now:.1%}",
    )


def _numbers(reference: Reference, name: str, window: pa.Array) -> Iterator[Comparison]:
    before, now = (references.present(v) for v in (reference.train.columns[name], window))
    if not len(before):
        return
    apart, counted = two_samples.numbers(before, now), bins.of_numbers(before, now)
    medians = f"median {np.median(before):.4g}, now {np.median(now):.4g}"
    yield from _distances(name, {"ks": apart.distance}, apart.p_value, medians)
    table = counted.table
    distances: dict[Kind, float] = {
        "js": two_samples.divergence(table),
        "psi": two_samples.stability(table),
    }
    yield from _distances(name, distances, two_samples.homogeneity(table), _moved_most(counted))
    yield _outside(reference, name, now)


def _outside(reference: Reference, name: str, now: Array) -> Comparison:
    """Of n rows like N others, 2 n / (N + 1) are expected beyond the ends of those."""
    low, high = reference.ranges[name]
    outside = int(np.count_nonzero((now < low) | (now > high)))
    share = outside / len(now)
    return Comparison(
        "out_of_range",
        share,
        share,
        name,
        p_value=two_samples.more_often(outside, len(now), 2, reference.rows + 2),
        detail=f"{low:.4g} to {high:.4g}, now {now.min():.4g} to {now.max():.4g}",
    )


def _categories(reference: Reference, name: str, window: pa.Array) -> Iterator[Comparison]:
    known = reference.counts.get(name)
    before = known or references.counts(reference.train.columns[name])
    now = references.counts(window)
    apart, counted = two_samples.categories(before, now), bins.of_categories(before, now)
    distances: dict[Kind, float] = {
        "linf": apart.distance,
        "psi": two_samples.stability(counted.table),
    }
    yield from _distances(name, distances, apart.p_value, _moved_most(counted))
    if known:
        yield _new(name, known, now)


def _distances(
    name: str, distances: Mapping[Kind, float], p_value: float, detail: str
) -> Iterator[Comparison]:
    for kind, distance in distances.items():
        yield Comparison(kind, distance, distance, name, p_value=p_value, detail=detail)


def _moved_most(counted: bins.Bins) -> str:
    """Says of which bin the share has changed most."""
    before, now = counted.table / np.maximum(1, counted.table.sum(axis=1, keepdims=True))
    most = int(np.argmax(np.abs(now - before)))
    return f"{counted.names[most]}: {before[most]:.1%} of the rows, now {now[most]:.1%}"


def _new(name: str, known: Counts, now: Counts) -> Comparison:
    """Compares with the share of values that occur once: Turing's estimate of unseen ones.

    Source: I. J. Good, The population frequencies of species (1953).
    """
    rows, known_rows = sum(now.values()), sum(known.values())
    new = sorted((v for v in now if v not in known), key=lambda value: -now[value])
    count, once = sum(now[value] for value in new), sum(n == 1 for n in known.values())
    expected = once / max(1, known_rows)
    return Comparison(
        "new_categories",
        count / rows,
        count / rows - expected,
        name,
        reference=expected,
        p_value=two_samples.more_often(count, rows, once, max(once, known_rows)),
        detail=f"{count / rows:.1%} of the rows, such as {', '.join(map(bins.shown, new[:3]))}",
    )


def of_answers(reference: Rows, window: Rows) -> Iterator[Comparison]:
    """Compares the answers of a window with those to rows that training did not see.

    Args:
        reference: Rows with answers.
        window: Likewise; those whose answers do not count are left out.
    """
    before, now = (
        {h: v[rows.known] for h, v in rows.answers.items()} for rows in (reference, window)
    )
    for name, apart in prediction_drift(_named(before), _named(now)).items():
        yield Comparison("prediction", apart.distance, apart.distance, name, p_value=apart.p_value)


def _named(answers: Mapping[str, Array]) -> dict[str, Array]:
    """The only head has no name; a report has to call it something."""
    return {head or "predictions": values for head, values in answers.items() if len(values)}
