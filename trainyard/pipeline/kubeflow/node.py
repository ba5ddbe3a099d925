"""`trainyard run-node`: one stage of a run whose stages are processes of their own.

What they share is a folder, which is Trainyard's home to each of them, and a
metadata store. Each stage leaves its record there; the last one, or the one that
fails, makes the run's record of them, so that `runs`, `why` and `report` know it.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from trainyard import sources
from trainyard.errors import RecipeError, nearest
from trainyard.files import write_whole
from trainyard.pipeline import failures, records
from trainyard.pipeline.kubeflow import stores
from trainyard.pipeline.kubeflow.luggage import Luggage
from trainyard.pipeline.recipe import dump, located
from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe
from trainyard.recipe_schema.secret_values import hide

if TYPE_CHECKING:
    from trainyard.pipeline.runners.nodes import NodeRunner


@dataclass(frozen=True)
class Task:
    """What a pod is told.

    Attributes:
        node: The stage's name.
        run: What the orchestrator calls the run.
        luggage: The recipe.
        root: The folder that all stages share.
        metadata: The metadata store; see `stores.connection`.
        changes: The run's parameters: values of recipe keys.
        use_cache: Whether an unchanged stage is skipped.
    """

    node: str
    run: str
    luggage: Luggage
    root: Path
    metadata: str
    changes: Mapping[str, str] = field(default_factory=dict)
    use_cache: bool = True


class _Left(BaseModel):
    """What a stage leaves behind for the others."""

    started: datetime
    stage: StageRecord
    error: str = ""


def at_home(root: Path) -> None:
    """Makes the shared folder this process's home, its cache and data sets included.

    Args:
        root: The folder.
    """
    os.environ["TRAINYARD_HOME"] = str(root)
    os.environ.setdefault("TRAINYARD_CACHE", str(root / "cache"))
    os.environ.setdefault("TRAINYARD_DATA_HOME", str(root / "data"))


def run_node(task: Task) -> list[str]:
    """Runs one stage, or takes its outputs from the cache.

    Args:
        task: What the pod is told.

    Returns:
        What became of it, in sentences; after the last stage also the verdict.

    Raises:
        TrainyardError: It failed; the run's record says so too.
    """
    at_home(task.root)
    recipe, file = loaded(task)
    run = _Run(task, recipe, file)
    with run.stage() as stage, run.cluster() as within:
        nodes = runner(task, within)
        if task.node not in nodes.names:
            hint = nearest(task.node, nodes.names)
            raise RecipeError(f"there is no stage {task.node!r}", hint=hint)
        run.launch(nodes, stage)
    told = [f"{stage.name}: {stage.state}: {stage.reason}"]
    return told if stage.name != nodes.last else told + run.conclude().verdict.sentences


def loaded(task: Task) -> tuple[Recipe, Path]:
    """Unpacks a task's recipe and completes it.

    Args:
        task: What the pod is told.

    Returns:
        The recipe and its file.

    Raises:
        RecipeError: It cannot work here.
    """
    from trainyard.pipeline.check import with_module_defaults

    recipe, file = task.luggage.load(task.changes)
    try:
        return with_module_defaults(recipe), file
    except RecipeError as error:
        raise located(error, file) from None


def runner(task: Task, recipe: Recipe) -> NodeRunner:
    """Builds the DAG as `trainyard run` does, in the shared folder.

    Args:
        task: What the pod is told.
        recipe: Unpacked and complete.
    """
    from trainyard.pipeline.runners.nodes import NodeRunner

    stores.check(task.metadata)
    return NodeRunner(recipe, Workspace.of(recipe), task.run, stores.connection(task.metadata))


class _Run:
    """The run as the shared folder knows it."""

    def __init__(self, task: Task, recipe: Recipe, recipe_file: Path) -> None:
        self._task, self._recipe, self._recipe_file = task, recipe, recipe_file
        self._folder = Workspace.of(recipe).root / "stages" / task.run

    @contextmanager
    def stage(self) -> Iterator[StageRecord]:
        """Leaves the stage's record behind, however it ends."""
        name = self._task.node
        reason = "" if self._task.use_cache else "caching is off"
        stage = StageRecord(name=name, state="running", reason=reason)
        began = time.monotonic()
        tries = [left.started for left in self._all_left() if left.stage.name == name]
        started = tries[0] if tries else datetime.now(UTC)  # the run's id hangs on it
        try:
            yield stage
        except Exception as error:
            explained = failures.explain(error, name, Path("this pod's log"))
            sys.stderr.write(hide("".join(traceback.format_exception(error))))
            stage.state, stage.seconds = "failed", round(time.monotonic() - began, 3)
            self._leave(_Left(started=started, stage=stage, error=str(explained)))
            self._record("failed", str(explained)).save()
            raise explained from None
        stage.seconds = round(time.monotonic() - began, 3)
        self._leave(_Left(started=started, stage=stage))

    @contextmanager
    def cluster(self) -> Iterator[Recipe]:
        """Has what the recipe's engine needs besides this process."""
        from trainyard.pipeline.beam import cluster

        cluster.check(self._recipe.engine)
        log = self._folder / f"{self._task.node}-job_server.log"
        with cluster.at_hand(self._recipe, log) as recipe:
            yield recipe

    def launch(self, nodes: NodeRunner, stage: StageRecord) -> None:
        """Runs the stage, knowing what the earlier ones gave."""
        for left in self._all_left():
            nodes.remember(left.stage)
        runs = records.all_runs(self._recipe.name)
        before = next((run for run in runs if run.known_as != self._task.run), None)
        stages = before.stages if before else []
        earlier = next((each for each in stages if each.name == stage.name), None)
        with self._record_to_keep() if stage.name == nodes.last else nullcontext():
            nodes.launch(stage, earlier)

    @contextmanager
    def _record_to_keep(self) -> Iterator[None]:
        """Has what is known before the push where the Pusher looks for it, by the run's name."""
        from trainyard.pipeline import verdict

        record = self._record("running", "")
        record.verdict = verdict.judge(record, self._recipe).model_copy(update={"sentences": []})
        folder = Workspace.of(self._recipe).runs / self._task.run
        write_whole(folder / "run.json", record.model_dump_json(indent=1))
        try:
            yield
        finally:
            shutil.rmtree(folder)

    def conclude(self) -> RunRecord:
        """Makes the record of a run whose last stage has ended, with verdict and report.

        Returns:
            The record, saved.
        """
        from trainyard.pipeline import verdict
        from trainyard.pipeline.registry import rollouts
        from trainyard.pipeline.report.page import write_report

        record = self._record("failed", "")
        record.verdict = verdict.judge(record, self._recipe)
        if decision := rollouts.start_pushed(self._recipe, record.verdict.version):
            told = f"Version {decision.version} is {decision.reason}."
            record.verdict.sentences.insert(1, told)
        record.state = "pushed" if record.verdict.pushed else "not pushed"
        record.save()
        write_report(record, self._recipe)
        return record

    def _leave(self, left: _Left) -> None:
        write_whole(self._folder / f"{left.stage.name}.json", left.model_dump_json(indent=1))

    def _all_left(self) -> list[_Left]:
        texts = [file.read_text(encoding="utf-8") for file in self._folder.glob("*.json")]
        return sorted(map(_Left.model_validate_json, texts), key=lambda left: left.started)

    def _record(self, state: records.RunState, error: str) -> RunRecord:
        left = self._all_left()
        started = left[0].started
        return RunRecord(
            id=records.new_id(started),
            recipe=self._recipe.name,
            recipe_file=str(self._recipe_file),
            recipe_json=dump(self._recipe),
            state=state,
            started=started,
            seconds=round((datetime.now(UTC) - started).total_seconds(), 3),
            stages=[each.stage for each in left],
            error=error,
            versions={"python": sys.version.split()[0]}
            | {name: version(name) for name in sources.PACKAGES},
            known_as=self._task.run,
        )
