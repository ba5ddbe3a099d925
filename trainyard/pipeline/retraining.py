"""Whether a recipe has to be trained again, why, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from trainyard import outputs
from trainyard.components.example_gen import input_splits, inputs_read
from trainyard.errors import BusyError, RecipeError, TrainyardError
from trainyard.model_store import version_config
from trainyard.model_store.versions import champion
from trainyard.pipeline import records, unchanged
from trainyard.pipeline.records import RunRecord
from trainyard.pipeline.registry import decisions, promotion
from trainyard.pipeline.runners import local
from trainyard.pipeline.scheduling import owed
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe
from trainyard.serving.monitor import report as monitor
from trainyard.wording import agreeing, counted

SCHEDULE = "schedule"
"""Who asks, when nobody does."""

_QUALITY: tuple[monitor.Kind, ...] = ("quality", "concept")
_DRIFT: tuple[monitor.Kind, ...] = (
    *("linf", "js", "ks", "psi"),
    *("missing", "new_categories", "out_of_range", "prediction"),
)
_FEW = 3


def reasons(recipe: Recipe, by: str) -> list[str]:
    """Looks at the triggers that the recipe names.

    Args:
        recipe: A resolved recipe, as its file says it.
        by: Who asks.

    Returns:
        Why it has to be trained again, in sentences; none: it need not.

    Raises:
        DataError: The data are not there.
        RecipeError: The monitor's report cannot be read.
    """
    last = last_ended(recipe)
    if last is None:
        return ["it has never been trained"]
    return [
        reason for trigger in recipe.retrain.when for reason in _TRIGGERS[trigger](recipe, last, by)
    ]


def last_ended(recipe: Recipe) -> RunRecord | None:
    """The newest run that came to a verdict; None if there is none.

    Args:
        recipe: Whose.
    """
    ended = (run for run in records.all_runs(recipe.name) if run.state in records.ENDED)
    return next(ended, None)


def retrain(recipe: Recipe, file: Path, *, force: bool, by: str) -> RunRecord | None:
    """Trains a recipe again if there is a reason to; what is decided is recorded.

    Args:
        recipe: A resolved recipe, as its file says it.
        file: Its file.
        force: Whether to do so for no reason.
        by: Who asks.

    Returns:
        The record of the run; None if there was no reason.

    Raises:
        TrainyardError: The run failed, or another is going on.
    """
    try:
        why = "; ".join(reasons(recipe, by)) or ("by hand" if force else "")
        record = _run(recipe, file, why, by) if why else None
        if record is None:
            decisions.record(recipe, "keep", _champion(recipe), nothing(recipe), by)
    except TrainyardError as error:
        what = "nothing to do" if isinstance(error, BusyError) else "failed"
        decisions.record(recipe, "keep", _champion(recipe), f"{what}: {error.message}", by)
        owed.settle(recipe.name)
        raise
    owed.settle(recipe.name)
    return record


def nothing(recipe: Recipe) -> str:
    """Says that there is nothing to do, and what was looked at.

    Args:
        recipe: A resolved recipe.
    """
    looked_at = ", ".join(recipe.retrain.when).replace("_", " ")
    last = last_ended(recipe)
    return f"nothing to do since run {last.id if last else ''}: no {looked_at}"


def warm_started(recipe: Recipe) -> Recipe:
    """The recipe as it trains on from the model in service, if it wants that and there is one.

    Args:
        recipe: A resolved recipe, as its file says it.
    """
    in_service = champion(Workspace.of(recipe).serving)
    if not recipe.retrain.warm_start or in_service is None:
        return recipe
    trainer = recipe.trainer.model_copy(update={"start_from": str(in_service)})
    return recipe.model_copy(update={"trainer": trainer})


def _run(recipe: Recipe, file: Path, why: str, by: str) -> RunRecord:
    serving = Workspace.of(recipe).serving
    before = {version.name for version in outputs.versions(serving)}
    wanted = warm_started(recipe)
    record = _trained(wanted, file)
    version = record.verdict.version if record.verdict.pushed else ""
    what: decisions.What = "keep" if version in before else "retrain"
    reason = " ".join([f"{why.rstrip('.')}.", *_sentences(wanted, record)])
    decisions.record(recipe, what, int(version) if version else None, reason, by)
    if version and version not in before and recipe.rollout is None:
        _answer(recipe, version, by)
    return record


def _sentences(recipe: Recipe, record: RunRecord) -> Iterator[str]:
    if recipe.trainer.start_from:
        yield f"Trained on from version {Path(recipe.trainer.start_from).name}."
    yield from record.verdict.sentences[:1]


def _answer(recipe: Recipe, version: str, by: str) -> None:
    """Has a new version answer; one that a person took out of service stays out."""
    labels = version_config.read(Workspace.of(recipe).serving).version_labels
    if version_config.STABLE in labels:  # else the newest answers by itself
        reason = f"the Evaluator found it no worse than version {labels[version_config.STABLE]}"
        promotion.promote(recipe, version, reason, by)


def _trained(recipe: Recipe, file: Path) -> RunRecord:
    """Does what `trainyard run` does."""
    if record := unchanged.taken_over(recipe, file):
        return record
    return local.run(recipe, file, fingerprint=unchanged.fingerprint(recipe))


def _champion(recipe: Recipe) -> int | None:
    in_service = champion(Workspace.of(recipe).serving)
    return int(in_service.name) if in_service else None


def _on_schedule(recipe: Recipe, last: RunRecord, by: str) -> Iterator[str]:
    del recipe, last
    if by == SCHEDULE:
        yield "it is time by the schedule"


def _new_data(recipe: Recipe, last: RunRecord, by: str) -> Iterator[str]:
    del by
    read = inputs_read.read(last.output("ExampleGen", "examples") or Path())
    there = inputs_read.states(input_splits.find(recipe.data))
    new = [Path(file).name for file, state in there.items() if read.get(file) != state]
    if new:
        more = f" and {len(new) - _FEW} more" if len(new) > _FEW else ""
        yield (
            f"{len(new)} of {counted(len(there), 'file')} {agreeing(len(new), 'is', 'are')} new "
            f"since run {last.id}: {', '.join(new[-_FEW:])}{more}"
        )


def _drift(recipe: Recipe, last: RunRecord, by: str) -> Iterator[str]:
    del by
    yield from _alarms(recipe, last.started, _DRIFT)


def _quality(recipe: Recipe, last: RunRecord, by: str) -> Iterator[str]:
    del by
    yield from _alarms(recipe, last.started, _QUALITY)


def _alarms(recipe: Recipe, since: datetime, kinds: tuple[monitor.Kind, ...]) -> Iterator[str]:
    """What the monitor has said since the last run began; before, that run has answered it."""
    found = last_look(recipe)
    if found is not None and found.at > since:
        yield from (alarm.sentence for alarm in found.alarms if alarm.kind in kinds)


def last_look(recipe: Recipe) -> monitor.MonitorReport | None:
    """The monitor's newest report; None if there is none.

    Args:
        recipe: Whose.

    Raises:
        RecipeError: It cannot be read.
    """
    folder = Workspace.of(recipe).monitor
    try:
        return monitor.read(folder)
    except (ValidationError, UnicodeDecodeError) as error:
        raise RecipeError(
            "this is no report of the monitor",
            where=str(folder / monitor.FILE),
            received=str(error).splitlines()[0],
            hint="write it anew: trainyard monitor RECIPE",
        ) from None


_TRIGGERS: Mapping[str, Callable[[Recipe, RunRecord, str], Iterator[str]]] = {
    "schedule": _on_schedule,
    "new_data": _new_data,
    "drift": _drift,
    "quality": _quality,
}
