"""One look at the request log of a recipe: measured, judged, written down, told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.markup import escape

from trainyard.errors import RecipeError
from trainyard.kinds import Kind, class_name
from trainyard.pipeline.monitor import labels, training
from trainyard.pipeline.monitor.page import write_page
from trainyard.pipeline.monitor.training import Training
from trainyard.pipeline.registry import decisions
from trainyard.pipeline.workspace import Workspace
from trainyard.progress import report as say
from trainyard.recipe_schema import Monitor, Recipe
from trainyard.recipe_schema.secret_values import without_password
from trainyard.serving.monitor import (
    comparisons,
    judging,
    outlets,
    quality,
    report,
    server_metrics,
    windows,
)
from trainyard.serving.monitor.bins import shown
from trainyard.serving.monitor.comparisons import Comparison
from trainyard.serving.monitor.quality import Judged
from trainyard.serving.monitor.reference import MOST_VALUES, Reference
from trainyard.serving.monitor.report import MonitorReport
from trainyard.serving.monitor.rows import Rows
from trainyard.serving.monitor.windows import Traffic
from trainyard.trainer_modules.harness import names
from trainyard.trainer_modules.harness.description import HeadDescription
from trainyard.wording import agreeing, counted

BY = "trainyard monitor"


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for.

    Attributes:
        window: In place of the recipe's.
        labels: CSV or Parquet with a key and labels.
        keys: The columns that join them with requests, in place of `data.key`.
        server: Where the server's metrics are.
        version: The version that is watched; the champion if None.
    """

    window: str | None = None
    labels: Path | None = None
    keys: tuple[str, ...] = ()
    server: str = "http://127.0.0.1:8501"
    version: int | None = None

    def settings(self, recipe: Recipe) -> Monitor:
        """The recipe's section with what is asked for.

        Raises:
            RecipeError: The window is no window.
        """
        if self.window is None:
            return recipe.monitor
        window = int(self.window) if self.window.isdecimal() else self.window
        try:
            return Monitor.model_validate(dict(recipe.monitor) | {"window": window})
        except ValueError:
            raise RecipeError(
                f"{self.window!r} is no window",
                where="--window",
                expected="minutes, hours or days such as 30m, 24h, 7d; or a number of rows",
            ) from None


def look(recipe: Recipe, wishes: Wishes, now: datetime | None = None) -> MonitorReport:
    """Looks at the request log, writes down what is found, and tells who wants to know.

    Args:
        recipe: Whose.
        wishes: What the command line asks for.
        now: Where the window ends.

    Returns:
        The report; it is in the workspace's monitor folder too, with a page and gauges.

    Raises:
        RecipeError: Nothing has been pushed, the run is gone, or the webhook is a secret that
            is not there.
        DataError: There is nothing to look at, or labels do not fit.
    """
    settings, now = wishes.settings(recipe), now or datetime.now(UTC)
    webhook = settings.webhook.value("monitor.webhook") if settings.webhook else ""
    trained = training.of(recipe, wishes.version)
    traffic = _traffic(recipe, trained, settings, wishes, now)
    reference = trained.reference(settings.sample)
    say("comparing")
    judged = traffic.count >= settings.min_rows
    found = list(_compared(trained, reference, traffic.rows, settings)) if judged else []
    counters = server_metrics.read(wishes.server, recipe.name)
    folder = Workspace.of(recipe).monitor
    if counters is not None:
        recent = server_metrics.since_last_look(counters, folder)
        found += server_metrics.comparisons(recent, settings)
    measures, alarms = judging.judge(found, settings, traffic.window)
    notes = [
        *_notes(trained, traffic, settings),
        *_not_watched(trained, reference),
        *(_of_labels(trained, traffic.rows, found) if judged else ()),
    ]
    if counters is None:
        notes.append(
            f"No server answers at {without_password(wishes.server)}: "
            "latency and errors are not watched."
        )
    made = MonitorReport(
        recipe=recipe.name,
        version=trained.version,
        run=trained.record.id,
        at=now,
        window=traffic.window,
        rows=traffic.count,
        judged=judged,
        labelled=_labelled(trained, traffic.rows),
        alarms=alarms,
        measures=measures,
        notes=notes,
    )
    _publish(recipe, made, reference, traffic.rows, webhook)
    return made


def _traffic(
    recipe: Recipe, trained: Training, settings: Monitor, wishes: Wishes, now: datetime
) -> Traffic:
    keys = labels.keys_of(recipe.data, wishes.keys) if wishes.labels else ()
    layout = trained.layout(keys)
    say("reading the request log")
    folder = Workspace.of(recipe).requests
    traffic = windows.read(
        folder, recipe.name, settings, layout, now=now, prepared=trained.prepared
    )
    if wishes.labels is None:
        return traffic
    types = {name: trained.types[name] for name in trained.label_columns}
    found = labels.joined(
        traffic.rows,
        wishes.labels,
        recipe.data,
        {name: trained.types.get(name) for name in keys},
        types,
        len(traffic.rows) / traffic.count,
    )
    return replace(traffic, rows=found.rows, note=found.note)


def _compared(
    trained: Training, reference: Reference, rows: Rows, settings: Monitor
) -> Iterator[Comparison]:
    # Rows whose label is not known yet do not lack one.
    known = {n: rows.columns[n].drop_null() for n in trained.label_columns if n in rows.columns}
    asked = {name: values for name, values in rows.columns.items() if name not in known}
    yield from comparisons.of_columns(reference, asked, settings.ignore_columns)
    for name, values in known.items():
        if len(values):
            yield from comparisons.of_columns(reference, {name: values}, settings.ignore_columns)
    yield from comparisons.of_answers(reference.judged, rows)
    for name, head in trained.told.heads.items():
        if head.label in rows.columns and head.task != "text":
            yield from _of_head(trained, name, head, reference.judged, rows)


def _of_head(
    trained: Training, name: str, head: HeadDescription, before: Rows, now: Rows
) -> Iterator[Comparison]:
    kind = trained.told.kinds.get(head.label)
    parts = _with_labels(name, head, kind, before), _with_labels(name, head, kind, now)
    measured = trained.record.verdict.metrics
    metrics = [
        metric
        for metric, tasks in quality.METRICS.items()
        if head.task in tasks and names.of(name, metric) in measured
    ]
    yield from quality.of_quality(name, metrics, trained.slices, *parts)
    yield from quality.of_concept(name, head.task, *parts)


def _with_labels(name: str, head: HeadDescription, kind: Kind | None, rows: Rows) -> Judged:
    """The rows of which both label and answer are known."""
    values = rows.columns[head.label]
    if head.task == "regression":
        found = values.cast(pa.float64()).to_numpy(zero_copy_only=False)  # null is NaN
        there = np.isfinite(found)
    else:
        found = np.array([_index(head, kind, value) for value in values.to_pylist()], np.int64)
        there = found >= 0
    judged = Judged(rows.answers[name], found, rows.columns)
    return judged.where(there & rows.known)


def _index(head: HeadDescription, kind: Kind | None, value: object) -> int:
    """Which class a label is; -1 for one that is missing or that training did not see."""
    text = "" if value is None else class_name(value, kind)
    return head.class_names.index(text) if text in head.class_names else -1


def _labelled(trained: Training, rows: Rows) -> int:
    known = [rows.columns[name] for name in trained.label_columns if name in rows.columns]
    return max((len(values) - values.null_count for values in known), default=0)


def _notes(trained: Training, traffic: Traffic, settings: Monitor) -> Iterator[str]:
    if traffic.count < settings.min_rows:
        yield (
            f"The window has {counted(traffic.count, 'row')}, fewer than `monitor.min_rows` "
            f"({settings.min_rows:,}): they are not judged."
        )
    if not traffic.rows.known.any():
        yield f"No request in the window was answered by version {trained.version}."
    if traffic.note:
        yield traffic.note
    if traffic.unread:
        rows = counted(traffic.unread, "row")
        was = agreeing(traffic.unread, "was", "were")
        is_not = agreeing(traffic.unread, "is not", "are not")
        yield f"{rows} {was} asked of other signatures and {is_not} compared."


def _not_watched(trained: Training, reference: Reference) -> Iterator[str]:
    for name in trained.unwatched:
        yield f"Of {name} nothing is measured in the data: it is not watched."
    for name in trained.told.texts:
        yield f"Of {name} characters and words are watched, not which words they are."
    for name, kind in reference.kinds.items():
        if kind == "category" and name not in reference.counts:
            yield (
                f"Of {name} new values are not watched: training has more than "
                f"{MOST_VALUES:,} of them."
            )


def _of_labels(trained: Training, rows: Rows, found: Sequence[Comparison]) -> Iterator[str]:
    """Says which labels and metrics are left out."""
    heads = {n: h for n, h in trained.told.heads.items() if h.label in rows.columns}
    for head in heads.values():
        known = rows.columns[head.label].drop_null().to_pylist()
        kind = trained.told.kinds.get(head.label)
        unknown = [label for label in known if head.class_names and _index(head, kind, label) < 0]
        if unknown:
            yield (
                f"Labels of no class of the model, which are not judged: {len(unknown):,}, "
                f"such as {shown(unknown[0])}."
            )
    measured = {each.column for each in found if each.kind == "quality" and not each.slice}
    counts = {names.of(head, "example_count") for head in heads}
    others = sorted(set(trained.record.verdict.metrics) - measured - counts)
    if heads and others:
        yield (
            "Of the recipe's metrics these are not watched, for want of labels or of a standard "
            f"error: {', '.join(others)}."
        )


def _publish(
    recipe: Recipe, made: MonitorReport, reference: Reference, rows: Rows, webhook: str
) -> None:
    folder = Workspace.of(recipe).monitor
    before = report.read(folder)
    made.write(folder)  # first: a webhook may take its time
    _record(recipe, made, before)
    if webhook and made.alarms:
        problem = outlets.post(made, webhook)
        made.notes += [f"{problem[0].upper()}{problem[1:]}."] if problem else []
        made.write(folder)
    outlets.write_gauges(made, folder)
    write_page(made, reference, rows, folder)


def _record(recipe: Recipe, made: MonitorReport, before: MonitorReport | None) -> None:
    """Remembers alarms that the last look did not have."""
    known = {(alarm.kind, alarm.column, alarm.slice) for alarm in (before.alarms if before else ())}
    for alarm in made.alarms:
        if (alarm.kind, alarm.column, alarm.slice) not in known:
            decisions.record(recipe, "alarm", made.version, alarm.sentence, BY)


def summary(made: MonitorReport, folder: Path) -> Sequence[str]:
    """What to print of a report: a line an alarm.

    Args:
        made: The report.
        folder: The recipe's monitor folder.
    """
    labelled = f", {made.labelled:,} with labels" if made.labelled else ""
    rows = f"{counted(made.rows, 'row')}{labelled}, {made.window}"
    head = f"{made.recipe}  version {made.version}  {rows}"
    alarms = [f"[red]✗[/] {escape(alarm.sentence)}" for alarm in made.alarms]
    fine = "[green]✓[/] no alarm" if made.judged else "- not judged"
    columns = {measure.column for measure in made.measures if measure.column}
    watched = (
        f"{counted(len(made.measures), 'measure')}, {counted(len(columns), 'column')} and answers"
    )
    return [
        head,
        *(alarms or [f"{fine}: {watched}"]),
        *map(escape, made.notes),
        f"page: {folder / 'index.html'}",
    ]
