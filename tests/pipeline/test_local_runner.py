"""What the runner does around the stages; the stages themselves are in tests/e2e."""

from datetime import UTC, datetime

import pytest

from trainyard.errors import EnvironmentProblem
from trainyard.pipeline import records
from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.report import page
from trainyard.pipeline.runners import local
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

RECIPE = Recipe.model_validate(
    {"name": "wine", "data": {"path": "rows.csv"}, "label": "y", "task": "binary"}
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def started(capfd):
    record = RunRecord(
        id="20260102-1",
        recipe="wine",
        recipe_file="wine.yaml",
        recipe_json="{}",
        started=datetime(2026, 1, 2, tzinfo=UTC),
        stages=[StageRecord(name="Trainer", state="running")],
    )
    (record.folder / "logs").mkdir(parents=True)
    record.save()
    return local._Run(RECIPE, Workspace.of(RECIPE), record, use_cache=True)


def failing_report(record, recipe):
    raise OSError(28, "No space left on device")


def test_a_report_that_fails_does_not_undo_the_outcome(started, monkeypatch):
    monkeypatch.setattr(page, "write_report", failing_report)
    with pytest.raises(EnvironmentProblem, match="disk is full"):
        started._end("pushed", "")
    assert records.find_run(None).state == "pushed"


def test_a_report_that_fails_does_not_hide_the_first_error(started, monkeypatch):
    monkeypatch.setattr(page, "write_report", failing_report)
    started._end("failed", "row 7 is bad")
    assert records.find_run(None).error == "row 7 is bad"
    assert "No space left" in (records.find_run(None).folder / "logs" / "report.log").read_text()


def test_a_killed_run_is_marked_by_the_next_one(started):
    local._mark_interrupted("wine")
    killed = records.find_run(None)
    assert (killed.state, killed.stage("Trainer").state) == ("interrupted", "failed")
    assert killed.error == "the process was killed"


def test_stages_from_one_on(started):
    below = {"Trainer": ["Evaluator", "Pusher"], "Evaluator": ["Pusher"], "Pusher": []}
    assert started._stages_from(None, below) == {}
    assert list(started._stages_from("Evaluator", below)) == ["Evaluator", "Pusher"]
    with pytest.raises(Exception, match="did you mean 'Pusher'"):
        started._stages_from("Pushr", below)
