"""The report's sections on quality: slices, confusion, curves, residuals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from trainyard.pipeline.evaluation import (
    CALIBRATION_PLOT,
    CONFUSION_PLOT,
    EXAMPLE_COUNT,
    METRICS,
    RESIDUAL_SAMPLE,
)
from trainyard.pipeline.measured import Measured, Slice, number, read_measured
from trainyard.pipeline.records import Finding, RunRecord
from trainyard.pipeline.report import charts, marks
from trainyard.pipeline.report.mistakes import MistakesSection, class_name, mistakes_section
from trainyard.pipeline.verdict import finished_output
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules.harness.names import of
from trainyard.wording import counted

MOST_SLICES = 40
MOST_CLASSES = 20

Matrix = Any
Plots = dict[tuple[bool, str], Any]


@dataclass(frozen=True)
class SliceRow:
    """One slice's value of one metric."""

    name: str
    examples: int
    value: str
    mark: Markup


@dataclass(frozen=True)
class MetricSlices:
    """One metric over the slices, the best first.

    Attributes:
        metric: Its name.
        meaning: What it is.
        better: Which direction is better, if any.
        rows: The slices; where there are too many, the best and the worst.
        left_out: How many are not shown.
        overall: The value over all rows.
    """

    metric: str
    meaning: str
    better: str | None
    rows: list[SliceRow]
    left_out: int
    overall: str


@dataclass(frozen=True)
class Confusion:
    """Counts of actual (row) against predicted (column) classes.

    Attributes:
        names: The classes shown.
        rows: A count and a share of its row, per cell.
        left_out: Classes not shown.
        note: How a prediction was chosen.
    """

    names: list[str]
    rows: list[list[tuple[int, float]]]
    left_out: int
    note: str


@dataclass(frozen=True)
class QualitySection:
    """All that the report says of a head on the judged split.

    Attributes:
        head: Its name; empty for an only head.
        overall: Metric, meaning, value and baseline over all rows.
        has_baseline: Whether a baseline was evaluated too.
        slices: The slices, metric by metric.
        table: All metrics of all slices: slice, then values.
        table_metrics: The metrics of the table's columns.
        confusion: The confusion matrix, for classes.
        figures: Caption and chart.
        mistakes: Single rows that are judged wrongly.
    """

    head: str
    overall: list[tuple[str, str, str, str]]
    has_baseline: bool
    slices: list[MetricSlices] = field(default_factory=list)
    table: list[tuple[str, list[str]]] = field(default_factory=list)
    table_metrics: list[str] = field(default_factory=list)
    confusion: Confusion | None = None
    figures: list[tuple[str, Markup]] = field(default_factory=list)
    mistakes: MistakesSection | None = None


def quality_sections(
    record: RunRecord,
    findings: Sequence[Finding],
    recipe: Recipe,
    class_names: Mapping[str, Sequence[str]],
) -> list[QualitySection]:
    """Reads the evaluation; empty if the Evaluator has not come to its end.

    Args:
        record: The run.
        findings: The verdict's, for the bounds.
        recipe: The recipe that was run.
        class_names: The classes in the order of the predictions, by head.

    Returns:
        One section a head.
    """
    folder = finished_output(record, "Evaluator", "evaluation")
    return [
        _section(
            measured,
            measured.overall,
            [finding for finding in findings if finding.head == head],
            recipe,
            class_names.get(head, ()),
        )
        for head, measured in (read_measured(folder) if folder else {}).items()
        if measured.overall
    ]


def _section(
    measured: Measured,
    overall: Slice,
    findings: Sequence[Finding],
    recipe: Recipe,
    class_names: Sequence[str],
) -> QualitySection:
    plots, label = _plots(measured), recipe.heads[measured.head].label.name
    metrics = [name for name in METRICS if name in overall.candidate]
    return QualitySection(
        head=measured.head,
        overall=[_overall(name, overall) for name in metrics],
        has_baseline=measured.has_baseline,
        slices=_slices(measured, findings, metrics),
        table=[
            (part.name, [part.written(name) for name in metrics])
            for part in measured.slices[: 5 * MOST_SLICES]
        ],
        table_metrics=metrics,
        confusion=_confusion(plots, class_names),
        figures=[*_curves(plots, measured.head), *_residuals(measured, label)],
        mistakes=mistakes_section(measured.folder, recipe, class_names, measured.head),
    )


def _overall(name: str, part: Slice) -> tuple[str, str, str, str]:
    earlier = part.baseline.get(name, math.nan)
    return name, METRICS[name].meaning, part.written(name), number(earlier)


def _slices(
    measured: Measured, findings: Sequence[Finding], metrics: Sequence[str]
) -> list[MetricSlices]:
    """The metrics that have bounds, or else the first one."""
    parts = [part for part in measured.slices if part.key]
    bounded = [name for name in metrics if any(finding.metric == name for finding in findings)]
    shown = bounded or [name for name in metrics if name != EXAMPLE_COUNT][:1]
    drawn = [_metric_slices(name, parts, measured.overall, findings) for name in shown if parts]
    return [entry for entry in drawn if entry.rows]


def _metric_slices(
    name: str, parts: Sequence[Slice], overall: Slice | None, findings: Sequence[Finding]
) -> MetricSlices:
    metric = METRICS[name]
    known = [part for part in parts if math.isfinite(part.candidate.get(name, math.nan))]
    known.sort(key=lambda part: part.candidate[name], reverse=metric.better != "lower")
    half = MOST_SLICES // 2
    chosen = known if len(known) <= MOST_SLICES else known[:half] + known[-half:]
    all_rows = overall.candidate.get(name, math.nan) if overall else math.nan
    bounds = {
        part.key: [each for each in findings if (each.metric, each.slice) == (name, part.name)]
        for part in chosen
    }
    ends = [end for each in findings if each.metric == name for end in (each.low, each.high)]
    points = [part.candidate[name] for part in chosen] + [all_rows] + ends
    drawable = [point for point in points if point is not None and math.isfinite(point)]
    scale = marks.Scale.around(drawable, metric.low, metric.high) if drawable else None
    return MetricSlices(
        metric=name,
        meaning=metric.meaning,
        better=metric.better,
        rows=[_row(name, part, scale, all_rows, bounds[part.key]) for part in chosen if scale],
        left_out=len(known) - len(chosen),
        overall=number(all_rows),
    )


def _row(
    name: str, part: Slice, scale: marks.Scale, overall: float, bounds: Sequence[Finding]
) -> SliceRow:
    value = part.candidate[name]
    return SliceRow(
        name=part.name,
        examples=int(part.candidate.get(EXAMPLE_COUNT, 0)),
        value=number(value),
        mark=marks.slice_mark(value, scale, overall, bounds, all(each.ok for each in bounds)),
    )


def _plots(measured: Measured) -> Plots:
    """TFMA's plots over all rows, by whether they are the baseline's, and name."""
    import tensorflow_model_analysis as tfma

    return {
        (pair.key.model_name == tfma.BASELINE_KEY, pair.key.name): pair.value
        for proto in tfma.load_plots(str(measured.folder))
        if not proto.slice_key.single_slice_keys
        for pair in proto.plot_keys_and_values
        if pair.key.output_name == measured.head
    }


def _confusion(plots: Plots, class_names: Sequence[str]) -> Confusion | None:
    plot = plots.get((False, CONFUSION_PLOT))
    if plot is None:
        return None
    if plot.HasField("multi_class_confusion_matrix_at_thresholds"):
        return _of_classes(plot.multi_class_confusion_matrix_at_thresholds, class_names)
    return _of_two(plot.confusion_matrix_at_thresholds.matrices, class_names)


def _of_two(matrices: Sequence[Matrix], class_names: Sequence[str]) -> Confusion:
    half = min(matrices, key=lambda matrix: abs(matrix.threshold - 0.5))
    counts = [
        [half.true_negatives, half.false_positives],
        [half.false_negatives, half.true_positives],
    ]
    names = list(class_names) if len(class_names) == 2 else ["0", "1"]
    note = f"Predicted {names[1]} from a probability of 0.5 on."
    return Confusion(names, [_cells(row) for row in counts], 0, note)


def _of_classes(matrices: Any, class_names: Sequence[str]) -> Confusion:
    entries = {
        (entry.actual_class_id, entry.predicted_class_id): entry.num_weighted_examples
        for matrix in matrices.matrices[:1]
        for entry in matrix.entries
    }
    totals: dict[int, float] = {}
    for (actual, predicted), count in entries.items():
        totals[actual] = totals.get(actual, 0.0) + count
        totals.setdefault(predicted, 0.0)
    shown = sorted(sorted(totals, key=lambda key: -totals[key])[:MOST_CLASSES])
    counts = [[entries.get((actual, predicted), 0.0) for predicted in shown] for actual in shown]
    names = [class_name(key, class_names) for key in shown]
    note = "Predicted: the most probable class."
    return Confusion(names, [_cells(row) for row in counts], len(totals) - len(shown), note)


def _cells(row: Sequence[float]) -> list[tuple[int, float]]:
    total = sum(row) or 1.0
    return [(int(count), count / total) for count in row]


def _curves(plots: Plots, head: str) -> list[tuple[str, Markup]]:
    plot = plots.get((False, CONFUSION_PLOT))
    if plot is None or not plot.HasField("confusion_matrix_at_thresholds"):
        return []
    matrices = plot.confusion_matrix_at_thresholds.matrices
    earlier = plots.get((True, CONFUSION_PLOT))
    others = earlier.confusion_matrix_at_thresholds.matrices if earlier else None
    positives = _positives(matrices)
    roc = charts.curve(
        of(head, "roc"),
        ("false positive rate", "true positive rate"),
        _roc(matrices),
        _roc(others) if others else None,
        ((0, 1), (0, 1)),
    )
    recall = charts.curve(
        of(head, "precision"),
        ("recall", "precision"),
        _precision(matrices),
        _precision(others) if others else None,
        ((0, 1), (positives, positives)),
    )
    figures = [("ROC curve", roc), ("Precision and recall", recall)]
    return figures + _calibration(plots.get((False, CALIBRATION_PLOT)), head)


def _positives(matrices: Sequence[Matrix]) -> float:
    first = matrices[0]
    positive = first.true_positives + first.false_negatives
    return float(positive / ((positive + first.true_negatives + first.false_positives) or 1.0))


def _roc(matrices: Sequence[Matrix]) -> charts.Points:
    return (
        [_ratio(matrix.false_positives, matrix.true_negatives) for matrix in matrices],
        [_ratio(matrix.true_positives, matrix.false_negatives) for matrix in matrices],
    )


def _precision(matrices: Sequence[Matrix]) -> charts.Points:
    some = [matrix for matrix in matrices if matrix.true_positives + matrix.false_positives]
    return (
        [_ratio(matrix.true_positives, matrix.false_negatives) for matrix in some],
        [_ratio(matrix.true_positives, matrix.false_positives) for matrix in some],
    )


def _ratio(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest else 0.0


def _calibration(plot: Any, head: str) -> list[tuple[str, Markup]]:
    buckets = plot.calibration_histogram_buckets.buckets if plot is not None else ()
    points = [
        (
            bucket.total_weighted_refined_prediction.value / bucket.num_weighted_examples.value,
            bucket.total_weighted_label.value / bucket.num_weighted_examples.value,
            bucket.num_weighted_examples.value,
        )
        for bucket in buckets
        if bucket.num_weighted_examples.value
    ]
    return (
        [
            (
                "Calibration (dots: the more examples, the larger)",
                charts.calibration(of(head, "calibration"), points),
            )
        ]
        if points
        else []
    )


def _residuals(measured: Measured, label: str) -> list[tuple[str, Markup]]:
    pairs: list[tuple[float, float]] = measured.samples.get(RESIDUAL_SAMPLE, [])
    head = measured.head
    finite = [(actual, predicted) for actual, predicted in pairs if math.isfinite(predicted)]
    if not finite:
        return []
    sampled = f" ({counted(len(finite), 'example')})"
    return [
        (
            "Predicted and actual" + sampled,
            charts.predicted_against_actual(of(head, "predicted"), label, finite),
        ),
        ("Errors" + sampled, charts.residuals(of(head, "residuals"), label, finite)),
    ]
