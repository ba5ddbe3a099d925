"""What is remembered of a run: `run.json`, rewritten whole after every change.

Readable without TensorFlow, so that `runs`, `why` and `report` answer at once.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from trainyard.errors import RecipeError, nearest
from trainyard.files import write_whole
from trainyard.pipeline import processes, workspace
from trainyard.trainer_modules.harness import names

StageState = Literal["waiting", "running", "done", "unchanged", "failed"]
RunState = Literal["running", "pushed", "not pushed", "failed", "interrupted"]
ENDED: tuple[RunState, ...] = ("pushed", "not pushed")
"""A run that came to a verdict."""


class StageRecord(BaseModel):
    """One stage of one run.

    Attributes:
        name: The node's id in the DAG, such as `Transform`.
        state: What became of it.
        reason: Why it ran or was skipped, in words.
        seconds: Wall time.
        inputs: MLMD artifact ids per input key.
        parameters: SHA-256 per execution property; compared to say what changed.
        outputs: Artifact URIs per output key.
        log: The stage's log file, relative to the run's folder.
    """

    name: str
    state: StageState = "waiting"
    reason: str = ""
    seconds: float = 0.0
    inputs: dict[str, list[int]] = Field(default_factory=dict)
    parameters: dict[str, str] = Field(default_factory=dict)
    outputs: dict[str, list[str]] = Field(default_factory=dict)
    log: str = ""


class Finding(BaseModel):
    """One threshold, held against what was measured.

    Attributes:
        metric: The metric's name as in the recipe.
        head: Whose metric it is; empty for an only head.
        slice: The slice in words, `all rows` for all.
        value: What the candidate reached; None where the slice had no examples.
        bound: The bound in words, such as `at least 0.9`.
        baseline: What the model in service reached, for change thresholds.
        low: The least value that holds, if there is one; worked out from the baseline
            for change thresholds; for a reference to beat, what that reaches.
        high: The greatest.
        ok: Whether the bound held.
        kind: Value threshold, change threshold, or a reference to beat.
        nearest: Where there is no such slice, those that are most like it.
    """

    metric: str
    head: str = ""
    slice: str
    value: float | None
    bound: str
    baseline: float | None = None
    low: float | None = None
    high: float | None = None
    ok: bool
    kind: Literal["value", "change", "beats"] = "value"
    nearest: list[str] = Field(default_factory=list)

    @property
    def name(self) -> str:
        """What is measured, such as `auc`, or where there are several heads `income_auc`."""
        return names.of(self.head, self.metric)


class Verdict(BaseModel):
    """The Evaluator's and the Pusher's answer, in words and numbers.

    Attributes:
        blessed: Whether every threshold held.
        pushed: Whether a version stands in the serving directory because of this run.
        version: The pushed version.
        destination: Its directory.
        findings: Every threshold that was checked, those that failed first.
        metrics: Metric values over all rows of the judged split; where there are several
            heads named after them, such as `income_auc`.
        baseline_run: The earlier run whose model was the baseline.
        sentences: The answer of `trainyard why`.
    """

    blessed: bool = False
    pushed: bool = False
    version: str = ""
    destination: str = ""
    findings: list[Finding] = Field(default_factory=list)
    metrics: dict[str, float] = Field(default_factory=dict)
    baseline_run: str = ""
    sentences: list[str] = Field(default_factory=list)


class RunRecord(BaseModel):
    """One run of one recipe, from its start on.

    Attributes:
        id: Sortable: the start in UTC.
        recipe: The recipe's name.
        recipe_file: The file that was run.
        recipe_json: The whole resolved recipe, for `resume`; until there are stages without what
            only its trainer module knows.
        error: The failure as it was shown, empty if there was none.
        resumed_from: The run that this one goes on with.
        versions: Package versions that took part.
        fingerprint: Digest of all that the run depended on; empty where unknown.
        known_as: What ML Metadata and the pushed model call the run, if that is not its id.
    """

    id: str
    recipe: str
    recipe_file: str
    recipe_json: str
    state: RunState = "running"
    pid: int = Field(default_factory=os.getpid)
    started: datetime
    seconds: float = 0.0
    stages: list[StageRecord] = Field(default_factory=list)
    verdict: Verdict = Verdict()
    error: str = ""
    resumed_from: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    fingerprint: str = ""
    known_as: str = ""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return workspace.home() / self.recipe / "runs" / self.id

    @property
    def alive(self) -> bool:
        """Whether the process that runs it is still there."""
        return self.state == "running" and processes.alive(self.pid, self.started.timestamp())

    @property
    def shown_state(self) -> str:
        """Its state; `killed` if its process is gone and it has not ended."""
        return "killed" if self.state == "running" and not self.alive else self.state

    def stage(self, name: str) -> StageRecord:
        """Returns the stage of that name.

        Raises:
            KeyError: There is none.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def output(self, stage: str, key: str) -> Path | None:
        """The first artifact a stage wrote under an output key, or None."""
        try:
            uris = self.stage(stage).outputs.get(key)
        except KeyError:
            return None
        return Path(uris[0]) if uris else None

    def save(self) -> None:
        """Writes `run.json` beside and renames it, so a reader sees it whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "run.json", self.model_dump_json(indent=1))


def new_id(started: datetime) -> str:
    """An id that sorts by time: to the millisecond, for an unchanged run takes no longer."""
    return f"{started:%Y%m%d-%H%M%S}-{started.microsecond // 1000:03d}"


def all_runs(recipe: str | None = None) -> Iterator[RunRecord]:
    """Yields the runs there are, newest first.

    Args:
        recipe: Only this recipe's.
    """
    files = workspace.home().glob(f"{recipe or '*'}/runs/*/run.json")
    for file in sorted(files, key=lambda f: f.parent.name, reverse=True):
        yield RunRecord.model_validate_json(file.read_text(encoding="utf-8"))


def with_id(run_id: str) -> RunRecord | None:
    """Returns the run of an id; None if it is not there any more.

    Args:
        run_id: The whole id.
    """
    files = workspace.home().glob(f"*/runs/{glob.escape(run_id)}/run.json")
    file = next(files, None)
    return RunRecord.model_validate_json(file.read_text(encoding="utf-8")) if file else None


def find_run(name: str | None) -> RunRecord:
    """Finds a run by its id, the start of its id, or its recipe; the newest if None.

    Raises:
        RecipeError: There is no such run.
    """
    known: dict[str, Any] = {}
    for run in all_runs():
        if name is None or run.id.startswith(name) or run.recipe == name:
            return run
        known |= {run.id: run, run.recipe: run}
    if not known:
        raise RecipeError(
            f"there are no runs in {workspace.home()}", hint="start one: trainyard run RECIPE"
        )
    raise RecipeError(f"there is no run {name!r}", hint=nearest(name or "", known))
