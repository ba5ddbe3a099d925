"""Runs a recipe's DAG on this machine, one node after the other.

TFX's LocalDagRunner does the same in silence; this one knows why a stage ran or
was skipped, keeps a record that survives a kill, and lets one process at a time
into a recipe's folder.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from trainyard import sources
from trainyard.errors import (
    BusyError,
    EnvironmentProblem,
    RecipeError,
    TrainyardError,
    nearest,
)
from trainyard.pipeline import failures, frameworks, ownership, quiet, records
from trainyard.pipeline.beam import cluster
from trainyard.pipeline.console import RunConsole, output_to, working
from trainyard.pipeline.recipe import dump, locating
from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe
from trainyard.recipe_schema.secret_values import hide

if TYPE_CHECKING:  # it loads TFX
    from trainyard.pipeline.runners.nodes import NodeRunner


def run(
    recipe: Recipe,
    recipe_file: Path,
    *,
    rerun_from: str | None = None,
    use_cache: bool = True,
    resumed_from: str = "",
    fingerprint: str = "",
) -> RunRecord:
    """Checks a recipe and runs it from its data to a verdict.

    The run is on record, and the recipe's folders are its own, before anything large is imported:
    what is killed from then on is what `trainyard resume` finds.

    Args:
        recipe: A resolved recipe.
        recipe_file: Where it came from, for the record.
        rerun_from: A stage to run again, with all that depend on it.
        use_cache: Whether unchanged stages are skipped.
        resumed_from: The run that this one goes on with.
        fingerprint: What `unchanged.fingerprint` says of the recipe's file, for the next run.

    Returns:
        The record of a run that went through all stages, pushed or not.

    Raises:
        TrainyardError: The recipe was refused, as one whose folders belong to another file is,
            which leaves no record; or a stage failed: the record is on disk, with its report.
    """
    cluster.check(recipe.engine)
    workspace = Workspace.of(recipe)
    with claimed(workspace):
        with locating(recipe_file):
            ownership.check(recipe, recipe_file)
        nobodys = ownership.take(recipe, recipe_file)
        _mark_interrupted(recipe.name)
        record = _new_record(recipe, recipe_file, resumed_from, fingerprint)
        record.save()
        with _kept_if_begun(workspace, record, nobodys):
            complete = _checked(recipe, recipe_file)
            record.recipe_json = dump(complete)
        return _Run(complete, workspace, record, use_cache).execute(rerun_from)


def _checked(recipe: Recipe, recipe_file: Path) -> Recipe:
    cloud = recipe.engine.name != "local"
    with frameworks.loading(cloud=cloud), working("checking the recipe"):
        from trainyard.pipeline.check import check

        return check(recipe, recipe_file).recipe


@contextmanager
def _kept_if_begun(workspace: Workspace, record: RunRecord, nobodys: bool) -> Iterator[None]:
    """A run that is refused has not begun; one that is stopped while it starts has."""
    try:
        yield
    except TrainyardError:
        shutil.rmtree(record.folder)
        for folder in (workspace.runs, workspace.artifacts):
            with contextlib.suppress(OSError):
                folder.rmdir()  # if it is empty
        if nobodys:
            ownership.give_up(workspace)
        raise
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        record.state = "interrupted" if stopped else "failed"
        record.error = "stopped by the user" if stopped else hide(f"{error!r} in the start")
        record.save()
        raise


@contextmanager
def claimed(workspace: Workspace) -> Iterator[None]:
    """Makes a recipe's folders and keeps other processes out of them.

    Args:
        workspace: The recipe's folders.

    Raises:
        BusyError: Another process is in there.
        EnvironmentProblem: They cannot be written.
    """
    with _folders(workspace), _lock(workspace):
        yield


@contextmanager
def _folders(workspace: Workspace) -> Iterator[None]:
    try:
        for folder in (workspace.runs, workspace.artifacts, workspace.serving):
            folder.mkdir(parents=True, exist_ok=True)
        probe = workspace.root / f".writable.{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write in {workspace.root}: {error.strerror}",
            hint="make it writable, free some space, or set TRAINYARD_HOME to another folder",
        ) from None
    yield


@contextmanager
def _lock(workspace: Workspace) -> Iterator[None]:
    # The kernel drops the lock of a process that is killed: no stale locks.
    lock = FileLock(workspace.lock, timeout=0)
    try:
        with lock:
            yield
    except Timeout:
        other = next(
            (run for run in records.all_runs(workspace.root.name) if run.state == "running"), None
        )
        who = f"run {other.id}, process {other.pid}" if other else "another process"
        raise BusyError(
            f"this recipe is being run already ({who})",
            hint="wait for it; trainyard runs shows how far it is",
        ) from None


def _mark_interrupted(recipe: str) -> None:
    """Runs that say they run, while we hold the lock, were killed."""
    for run in records.all_runs(recipe):
        if run.state == "running":
            run.state = "interrupted"
            run.error = run.error or "the process was killed"
            for stage in run.stages:
                if stage.state == "running":
                    stage.state = "failed"
                    stage.reason = "killed"
            run.save()


def _new_record(
    recipe: Recipe, recipe_file: Path, resumed_from: str, fingerprint: str
) -> RunRecord:
    started = datetime.now(UTC)
    return RunRecord(
        id=records.new_id(started),
        recipe=recipe.name,
        recipe_file=str(recipe_file.absolute()),
        recipe_json=dump(recipe),
        started=started,
        resumed_from=resumed_from,
        versions={"python": sys.version.split()[0]}
        | {name: version(name) for name in sources.PACKAGES},
        fingerprint=fingerprint,
    )


class _Run:
    """One run: the record and the console change together."""

    def __init__(
        self, recipe: Recipe, workspace: Workspace, record: RunRecord, use_cache: bool
    ) -> None:
        self._recipe, self._workspace, self._record = recipe, workspace, record
        self._use_cache = use_cache
        self._console = RunConsole()
        self._started = time.monotonic()
        earlier = (run for run in records.all_runs(recipe.name) if run.id != record.id)
        self._earlier = next((run for run in earlier if run.stages), None)

    def execute(self, rerun_from: str | None) -> RunRecord:
        """Runs every stage, then the verdict and the report."""
        self._console.say(f"[bold]{self._record.recipe}[/]  run {self._record.id}")
        try:
            self._run_stages(rerun_from)
            self._judge()
            self._roll_out()
        except KeyboardInterrupt:
            self._end("interrupted", "stopped by the user")
            raise
        except Exception as error:
            explained = self._explained(error)
            self._end("failed", str(explained))
            raise explained from None
        self._end("pushed" if self._record.verdict.pushed else "not pushed", "")
        return self._record

    def _explained(self, error: Exception) -> TrainyardError:
        running = [stage.name for stage in self._record.stages if stage.state == "failed"]
        name = running[0] if running else "the run"
        log = self._record.folder / "logs" / (f"{name}.log" if running else "start.log")
        self._note(error, log)
        return failures.explain(error, name, log)

    @staticmethod
    def _note(error: Exception, log: Path) -> None:
        with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:
            file.write(hide("".join(traceback.format_exception(error))))

    def _run_stages(self, rerun_from: str | None) -> None:
        logs = self._record.folder / "logs"
        logs.mkdir(exist_ok=True)
        with ExitStack() as stack:
            with self._starting():
                from trainyard.pipeline.runners.nodes import NodeRunner

                recipe = stack.enter_context(cluster.at_hand(self._recipe, logs / "job_server.log"))
                nodes = NodeRunner(recipe, self._workspace, self._record.id)
            self._run_all(nodes, rerun_from)

    def _run_all(self, nodes: NodeRunner, rerun_from: str | None) -> None:
        self._record.stages = [StageRecord(name=name) for name in nodes.names]
        fresh = self._stages_from(rerun_from, nodes.descendants)
        for stage in self._record.stages:
            stage.reason = fresh.get(stage.name, "")
            self._run_stage(stage, nodes)

    @contextmanager
    def _starting(self) -> Iterator[None]:
        record = StageRecord(name="(start)", state="failed")
        started = time.monotonic()
        log = self._record.folder / "logs" / "start.log"
        cloud = self._recipe.engine.name != "local"
        with self._console.stage(record), output_to(log), frameworks.loading(cloud=cloud):
            yield
            quiet.log_to(logging.INFO)
            record.state, record.seconds = "done", time.monotonic() - started

    def _stages_from(
        self, rerun_from: str | None, descendants: dict[str, list[str]]
    ) -> dict[str, str]:
        """The stages that may not come from the cache, each with the reason."""
        if not self._use_cache:
            return dict.fromkeys(descendants, "--no-cache")
        if rerun_from is None:
            return {}
        if rerun_from not in descendants:
            raise RecipeError(
                f"there is no stage {rerun_from!r}", hint=nearest(rerun_from, descendants)
            )
        stages = [rerun_from, *descendants[rerun_from]]
        return dict.fromkeys(stages, f"--from {rerun_from}")

    def _run_stage(self, stage: StageRecord, nodes: NodeRunner) -> None:
        log = self._record.folder / "logs" / f"{stage.name}.log"
        stage.log, stage.state = str(log.relative_to(self._record.folder)), "running"
        if stage.name == "Pusher":
            self._measure()
        self._record.save()
        started = time.monotonic()
        with self._console.stage(stage):
            try:
                with output_to(log):
                    nodes.launch(stage, self._earlier_stage(stage.name))
            except BaseException:
                stage.state = "failed"
                raise
            finally:
                stage.seconds = round(time.monotonic() - started, 3)
        self._record.save()

    def _earlier_stage(self, name: str) -> StageRecord | None:
        stages = self._earlier.stages if self._earlier else []
        return next((stage for stage in stages if stage.name == name), None)

    def _judge(self) -> None:
        from trainyard.pipeline import verdict

        with output_to(self._record.folder / "logs" / "verdict.log"):
            self._record.verdict = verdict.judge(self._record, self._recipe)

    def _measure(self) -> None:
        """Notes what is known before the push: a pushed version keeps the record as it is then."""
        self._judge()
        self._record.verdict.sentences = []  # it is no verdict yet

    def _roll_out(self) -> None:
        from trainyard.pipeline.registry import rollouts

        verdict = self._record.verdict
        if decision := rollouts.start_pushed(self._recipe, verdict.version):
            verdict.sentences.insert(1, f"Version {decision.version} is {decision.reason}.")

    def _end(self, state: records.RunState, error: str) -> None:
        """Records the end; the report is written even of a run that failed."""
        self._record.state, self._record.error = state, error
        self._record.seconds = round(time.monotonic() - self._started, 3)
        try:
            self._record.save()
            self._write_report()
        except Exception as problem:
            log = self._record.folder / "logs" / "report.log"
            self._note(problem, log)
            if not error:  # else the first error is the one to show
                raise failures.explain(problem, "the report", log) from None

    def _write_report(self) -> None:
        from trainyard.pipeline.report.page import write_report

        with output_to(self._record.folder / "logs" / "report.log"):
            write_report(self._record, self._recipe)
