"""Writes what a look found as a page that opens with no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from trainyard.files import write_whole
from trainyard.pipeline.measured import number
from trainyard.pipeline.report import marks
from trainyard.pipeline.report.page import template
from trainyard.serving.monitor import reference as references
from trainyard.serving.monitor.bins import shown
from trainyard.serving.monitor.reference import Reference
from trainyard.serving.monitor.report import Kind, Measure, MonitorReport
from trainyard.serving.monitor.rows import Rows
from trainyard.serving.monitor.two_samples import Array
from trainyard.wording import agreeing, counted

FILE = "index.html"
MOST_COLUMNS = 200

_BINS = 16
_CATEGORIES = 12
_HEADINGS: dict[Kind, str] = {
    "linf": "L-infinity",
    "js": "Jensen-Shannon",
    "ks": "Kolmogorov-Smirnov",
    "psi": "stability index",
    "missing": "missing",
    "new_categories": "new values",
    "out_of_range": "out of range",
}
_SHARES = frozenset({"missing", "new_categories", "out_of_range", "error_rate"})


@dataclass(frozen=True)
class ColumnRow:
    """What the page says of a column.

    Attributes:
        name: Its name.
        picture: Training and window, drawn over one another.
        cells: By heading what was measured; None where that does not fit the column.
        alarming: Whether any of it alarms.
    """

    name: str
    picture: Markup
    cells: list[Measure | None]
    alarming: bool


def write_page(report: MonitorReport, reference: Reference, rows: Rows, folder: Path) -> Path:
    """Writes the page of a look.

    Args:
        report: What was found.
        reference: What training looked like.
        rows: A sample of the window.
        folder: The recipe's monitor folder.

    Returns:
        The page.
    """
    file = folder / FILE
    page = template(Path(__file__).with_name("page.html.j2")).render(
        report=report,
        outcome=_outcome(report),
        headline=_headline(report),
        headings=[(_HEADINGS[each.kind], _bound(each)) for each in _first_of_each(report)],
        columns=list(_columns(report, reference, rows))[:MOST_COLUMNS],
        column_count=len({m.column for m in report.measures if m.kind in _HEADINGS}),
        answers=list(_answers(report, reference, rows)),
        quality=[m for m in report.measures if m.kind in ("quality", "concept")],
        server=[m for m in report.measures if m.kind in ("latency_ms", "error_rate")],
        value=_value,
        bound=_bound,
    )
    write_whole(file, page)
    return file


def _outcome(report: MonitorReport) -> tuple[str, str]:
    if report.alarms:
        return "bad", "Alarm" if len(report.alarms) == 1 else f"{len(report.alarms)} alarms"
    return ("good", "No alarm") if report.judged else ("waiting", "Not judged")


def _headline(report: MonitorReport) -> str:
    columns = list(dict.fromkeys(alarm.column or "the server" for alarm in report.alarms))
    if columns:
        named = ", ".join(columns[:5]) + (f" and {len(columns) - 5} more" * (len(columns) > 5))
        return f"Not as in training: {named}."
    rows = counted(report.rows, "row")
    if report.judged:
        return f"What is asked and answered is as it was in training, in {rows}."
    return f"{rows} {agreeing(report.rows, 'is', 'are')} too few to judge by."


def _first_of_each(report: MonitorReport) -> list[Measure]:
    """What was measured of columns at all, one of each kind in the order of the headings."""
    first = {measure.kind: measure for measure in reversed(report.measures)}
    return [first[kind] for kind in _HEADINGS if kind in first]


def _columns(report: MonitorReport, reference: Reference, rows: Rows) -> Iterator[ColumnRow]:
    """Those that alarm first, then as the model takes them."""
    found: dict[str, dict[Kind, Measure]] = {}
    for measure in report.measures:
        if measure.kind in _HEADINGS:
            found.setdefault(measure.column, {})[measure.kind] = measure
    made = [
        ColumnRow(
            name,
            _picture(name, reference, rows),
            [measures.get(each.kind) for each in _first_of_each(report)],
            any(measure.alarming for measure in measures.values()),
        )
        for name, measures in found.items()
    ]
    yield from sorted(made, key=lambda row: not row.alarming)


def _picture(name: str, reference: Reference, rows: Rows) -> Markup:
    before, now = reference.train.columns[name], rows.columns[name]
    if reference.kinds[name] == "number":
        return _of_numbers(references.present(before), references.present(now), name)
    return _of_categories(before, now, name)


def _of_numbers(before: Array, now: Array, name: str) -> Markup:
    """Bins of equal width over all but the outermost values, which the outer bins take."""
    if not len(before) or not len(now):
        return Markup()
    low, high = map(float, np.quantile(np.concatenate([before, now]), [0.005, 0.995]))
    edges = np.linspace(low, high if low < high else low + 1, _BINS + 1)
    counts = [np.histogram(np.clip(side, edges[0], edges[-1]), edges)[0] for side in (before, now)]
    return _drawn(counts, f"{name}: {number(low)} to {number(high)}")


def _of_categories(before: pa.Array, now: pa.Array, name: str) -> Markup:
    sides = [references.counts(values) for values in (before, now)]
    totals = [max(1, sum(side.values())) for side in sides]
    most = sorted(
        {*sides[0], *sides[1]},
        key=lambda v: (
            -sum(side.get(v, 0) / total for side, total in zip(sides, totals, strict=True))
        ),
    )[:_CATEGORIES]
    counts = [np.array([side.get(value, 0) for value in most]) for side in sides]
    return _drawn(counts, f"{name}: {', '.join(map(shown, most))}", apart=True)


def _drawn(counts: Sequence[Array], label: str, apart: bool = False) -> Markup:
    before, now = ((each / max(1, each.sum())).tolist() for each in counts)
    return marks.two_histograms(before, now, label, apart)


def _answers(
    report: MonitorReport, reference: Reference, rows: Rows
) -> Iterator[tuple[Measure, Markup]]:
    for measure in report.measures:
        if measure.kind != "prediction":
            continue
        head = "" if measure.column == "predictions" else measure.column
        before, now = reference.judged.answers.get(head), rows.answers.get(head)
        single = before is not None and now is not None and before.shape[1] == 1
        if single and before is not None and now is not None and before.dtype != object:
            sides = before[reference.judged.known, 0], now[rows.known, 0]
            yield measure, _of_numbers(*sides, measure.column)
        else:
            yield measure, Markup()


def _value(measure: Measure) -> str:
    """What was measured, in words."""
    return _share(measure.measured) if measure.kind in _SHARES else number(measure.measured)


def _bound(measure: Measure) -> str:
    """What the recipe allows, in words."""
    if measure.kind in _SHARES:
        return _share(measure.threshold)
    return number(measure.threshold)


def _share(share: float) -> str:
    return f"{100 * share:.2g} %"
