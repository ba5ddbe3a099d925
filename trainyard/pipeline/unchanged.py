"""A run of which nothing has changed is told from its record, without TensorFlow.

Stage by stage, TFX's cache would come to the same end some seconds later: this
looks at everything that any stage depends on at once.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from trainyard import sources
from trainyard.components.example_gen import images, input_splits, inputs_read
from trainyard.components.pusher import versions
from trainyard.model_store import version_config
from trainyard.pipeline import ownership, records
from trainyard.pipeline.recipe import dump
from trainyard.pipeline.records import RunRecord, StageRecord, Verdict
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe, Trainer
from trainyard.trainer_modules.harness import vector_files

REASON = "unchanged: same inputs, parameters and code"

AROUND_IT = ("schedule", "retrain", "monitor", "kubeflow")
"""Sections that say when and where a recipe runs and what is watched after it."""


def fingerprint(recipe: Recipe) -> str:
    """Digests all that a run of a recipe depends on.

    Args:
        recipe: A resolved recipe, as its file says it.

    Returns:
        SHA-256 over recipe, data files, images, files that features and the trainer's parameters
        name (their content), curated schema, code and versions.

    Raises:
        DataError: The data are not there.
    """
    return hashlib.sha256("\n".join(_facts(recipe)).encode()).hexdigest()


def _facts(recipe: Recipe) -> Iterator[str]:
    yield dump(recipe.model_copy(update={name: _default(name) for name in AROUND_IT}))
    named = [*_named_by_trainer(recipe.trainer), *vector_files.files(recipe.features)]
    read = inputs_read.states([*input_splits.find(recipe.data), *named])
    yield from itertools.chain.from_iterable(read.items())
    yield images.referenced(recipe.data)
    if recipe.data.schema_file != "infer":
        yield Path(recipe.data.schema_file).read_text(encoding="utf-8")
    yield from _labelled(Workspace.of(recipe).serving)
    yield sources.whole()
    yield from (version(package) for package in sources.PACKAGES)


def _default(section: str) -> object:
    return Recipe.model_fields[section].default


def _labelled(serving: Path) -> Iterator[str]:
    """What the candidate is held against is another model when `stable` has moved."""
    labels = version_config.read(serving).version_labels
    if version_config.STABLE in labels:
        yield str(labels[version_config.STABLE])


def _named_by_trainer(trainer: Trainer) -> Iterator[Path]:
    # A loaded recipe's files have absolute paths.
    values = (value for value in trainer.params.values() if isinstance(value, str))
    paths = (Path(value) for value in (*values, trainer.start_from or ""))
    yield from (path for path in paths if path.is_absolute() and path.exists())


def taken_over(recipe: Recipe, recipe_file: Path) -> RunRecord | None:
    """Makes the record of a run that has nothing to do.

    Args:
        recipe: A resolved recipe, as its file says it.
        recipe_file: Where it came from.

    Returns:
        The record, saved; None where something has changed or is gone.
    """
    last = next(records.all_runs(recipe.name), None)
    if last is None or last.state not in ("pushed", "not pushed"):
        return None
    if last.fingerprint != fingerprint(recipe) or not _still_there(last, Workspace.of(recipe)):
        return None
    started = datetime.now(UTC)
    record = last.model_copy(
        update={
            "id": records.new_id(started),
            "recipe_file": str(recipe_file),
            "pid": os.getpid(),
            "started": started,
            "seconds": 0.0,
            "stages": [_unchanged(stage) for stage in last.stages],
            "verdict": _verdict(last),
            "resumed_from": "",
        }
    )
    record.save()
    ownership.take(recipe, recipe_file)
    return record


def _still_there(run: RunRecord, workspace: Workspace) -> bool:
    outputs = [Path(uri) for stage in run.stages for uris in stage.outputs.values() for uri in uris]
    model = str(run.output("Trainer", "model"))
    served = not run.verdict.pushed or versions.newest_model(workspace.serving) == model
    return served and all(folder.exists() for folder in outputs)


def _unchanged(stage: StageRecord) -> StageRecord:
    update = {"state": "unchanged", "reason": REASON, "seconds": 0.0, "log": ""}
    return stage.model_copy(update=update)


def _verdict(last: RunRecord) -> Verdict:
    verdict = last.verdict
    first, *others = verdict.sentences
    if verdict.pushed and first.startswith("Pushed"):
        first = (
            f"Nothing to push: this is the model that run {last.id} pushed as version "
            f"{verdict.version}, to {verdict.destination}."
        )
    same = f"Nothing has changed since run {last.id}, so its evaluation stands."
    rest = [text for text in others if not text.startswith("Nothing has changed since")]
    return verdict.model_copy(update={"sentences": [first, same, *rest]})
