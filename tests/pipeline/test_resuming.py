"""`trainyard resume` takes up what has stopped, and never trains what has ended a second time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trainyard.errors import BusyError, DataError, RecipeError
from trainyard.pipeline import frameworks, listing, records
from trainyard.pipeline.recipe import dump, load_recipe, resolved_recipe
from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.resuming import resumable
from trainyard.pipeline.runners import local
from trainyard.recipe_schema import Recipe

RECIPE = Recipe.model_validate(
    {"name": "wine", "data": {"path": "rows.csv"}, "label": "y", "task": "binary"}
)
NOBODY = 2**22 + 1  # above Linux's largest number of a process
FILE = "name: wine\ndata: {path: rows.csv}\nlabel: y\ntask: binary\ntrainer: {epochs: 3}\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def record(number: int, **fields: object) -> RunRecord:
    run = RunRecord.model_validate(
        {
            "id": f"20260102-00000{number}-000",
            "recipe": "wine",
            "recipe_file": "/recipes/wine.yaml",
            "recipe_json": dump(RECIPE),
            "started": datetime.now(UTC) + timedelta(seconds=1),
            "pid": NOBODY,
        }
        | fields
    )
    run.save()
    return run


@pytest.mark.parametrize("state", ["pushed", "not pushed"])
@pytest.mark.parametrize("how", [None, "wine", "20260102-000002-000"])
def test_a_run_that_has_ended_is_refused_however_it_is_named(state: str, how: str | None) -> None:
    record(1, state="interrupted")
    record(2, state=state)
    with pytest.raises(RecipeError, match="has ended") as raised:
        resumable(how)
    assert "trainyard run /recipes/wine.yaml" in raised.value.hint


@pytest.mark.parametrize("state", ["failed", "interrupted", "running"])
def test_the_newest_run_that_has_stopped_is_resumed(state: str) -> None:
    record(1, state="pushed")
    stopped = record(2, state=state)
    assert resumable(None) == stopped
    assert listing.why(stopped).startswith("Not pushed")


def test_a_run_whose_process_is_there_is_left_alone() -> None:
    record(1, state="running", pid=os.getpid())
    with pytest.raises(BusyError, match=f"process {os.getpid()}"):
        resumable(None)


@pytest.mark.parametrize(
    ("later", "hint"),
    [
        ("pushed", "trainyard run /recipes/wine.yaml"),
        ("failed", "trainyard resume 20260102-000002"),
    ],
)
def test_a_run_is_resumed_once(later: str, hint: str) -> None:
    first = record(1, state="interrupted")
    record(2, state=later, resumed_from=first.id)
    with pytest.raises(RecipeError, match="was resumed by run 20260102-000002") as raised:
        resumable(first.id)
    assert hint in raised.value.hint


def test_a_run_of_kubeflow_is_not_resumed_here() -> None:
    record(1, state="failed", known_as="a-run-of-kubeflow")
    with pytest.raises(RecipeError, match="of Kubeflow"):
        resumable(None)


def test_a_run_is_on_record_before_anything_large_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RunRecord] = []

    def stopped(**_: object) -> None:
        seen.extend(records.all_runs())
        raise KeyboardInterrupt

    monkeypatch.setattr(frameworks, "loading", stopped)
    with pytest.raises(KeyboardInterrupt):
        local.run(RECIPE, tmp_path / "wine.yaml")

    (run,) = seen
    assert (run.state, run.pid) == ("running", os.getpid())
    assert run.recipe_file == str(tmp_path / "wine.yaml")
    assert resolved_recipe(run.recipe_json) == RECIPE
    assert resumable(None).state == "interrupted"


def test_a_recipe_that_is_refused_leaves_no_record(tmp_path: Path, home: Path) -> None:
    with pytest.raises(DataError):
        local.run(RECIPE, tmp_path / "wine.yaml")
    assert not list(records.all_runs())
    assert not (home / "wine" / "runs").exists()


def test_a_run_without_stages_hides_no_earlier_one_from_the_next() -> None:
    record(1, state="pushed", stages=[StageRecord(name="Trainer", outputs={"model": ["/m"]})])
    record(2, state="interrupted")
    run = local._Run(RECIPE, local.Workspace.of(RECIPE), record(3), use_cache=True)
    assert run._earlier_stage("Trainer").outputs == {"model": ["/m"]}


@pytest.mark.parametrize("seconds", [0.1, 0.7, 1.5, 2.5])
def test_a_kill_at_any_moment_of_the_start_never_leads_to_the_run_before(
    tmp_path: Path, seconds: float
) -> None:
    """Before it is on record there is nothing to resume; after that it is this very run."""
    pushed = record(1, state="pushed")
    (tmp_path / "rows.csv").write_text("x,y\n" + "1.5,0\n2.5,1\n" * 200)
    file = tmp_path / "wine.yaml"
    file.write_text(FILE)
    process = subprocess.Popen(
        [sys.executable, "-m", "trainyard", "run", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    time.sleep(seconds)
    process.kill()
    process.wait()

    newest = next(records.all_runs())
    if newest.id == pushed.id:
        with pytest.raises(RecipeError, match="has ended"):
            resumable(None)
    else:
        assert resumable(None) == newest
        assert newest.pid == process.pid
        assert resolved_recipe(newest.recipe_json).trainer == load_recipe(file).trainer
