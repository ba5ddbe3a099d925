from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trainyard.components.example_gen import input_splits, inputs_read
from trainyard.errors import BusyError, DataError, RecipeError
from trainyard.model_store import version_config
from trainyard.pipeline import retraining
from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.registry import decisions
from trainyard.pipeline.runners import local
from trainyard.pipeline.scheduling import owed
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe, Retrain
from trainyard.serving.monitor.report import Alarm, MonitorReport, Window

BEGUN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def recipe(home, tmp_path):
    for day in (1, 2, 3):
        (tmp_path / f"day-{day}.csv").write_text(f"a,y\n{day},0\n")
    data = {"path": str(tmp_path / "day-{SPAN}.csv"), "spans": 2}
    return Recipe.model_validate({"name": "wine", "data": data, "label": "y", "task": "binary"})


@pytest.fixture
def last(recipe, home):
    """A run that has read the last two days."""
    examples = home / "wine" / "examples"
    inputs_read.write(examples, input_splits.find(recipe.data))
    record = RunRecord(
        id="20260102-000000-1",
        recipe="wine",
        recipe_file="wine.yaml",
        recipe_json="{}",
        state="not pushed",
        started=BEGUN,
        stages=[StageRecord(name="ExampleGen", outputs={"examples": [str(examples)]})],
    )
    record.save()
    return record


def reasons(recipe, *when, by="trainyard retrain"):
    wanted = recipe.model_copy(update={"retrain": Retrain(when=when)}) if when else recipe
    return retraining.reasons(wanted, by)


def report(recipe, at, *kinds):
    alarms = [
        Alarm(kind=kind, measured=2, threshold=1, window="today", sentence=f"{kind} is up")
        for kind in kinds
    ]
    window = Window(asked="24h", since=BEGUN, until=BEGUN)
    found = MonitorReport(
        recipe="wine", version=1, run="r", at=at, window=window, rows=9, alarms=alarms
    )
    found.write(Workspace.of(recipe).monitor)


def test_what_was_never_trained_is_trained(recipe):
    assert reasons(recipe) == ["it has never been trained"]


def test_a_run_that_failed_counts_for_nothing(recipe, last):
    last.state = "interrupted"
    last.save()
    assert reasons(recipe) == ["it has never been trained"]


def test_nothing_new(recipe, last):
    assert reasons(recipe) == []
    assert retraining.nothing(recipe) == (
        f"nothing to do since run {last.id}: no new data, drift, quality"
    )


def test_a_new_span(recipe, last, tmp_path):
    (tmp_path / "day-4.csv").write_text("a,y\n4,0\n")
    assert reasons(recipe) == [f"1 of 2 files is new since run {last.id}: day-4.csv"]
    assert reasons(recipe, "drift", "quality", "schedule") == []


def test_another_content_of_a_file_in_the_window(recipe, last, tmp_path):
    (tmp_path / "day-1.csv").write_text("a,y\n1,1\n1,1\n")
    assert reasons(recipe) == []
    (tmp_path / "day-2.csv").write_text("a,y\n2,1\n2,1\n")
    assert reasons(recipe) == [f"1 of 2 files is new since run {last.id}: day-2.csv"]


def test_a_span_that_went_is_no_news(recipe, last, tmp_path):
    (tmp_path / "day-2.csv").unlink()
    (tmp_path / "day-1.csv").unlink()
    assert reasons(recipe) == []


def test_many_new_files_are_counted(recipe, last, tmp_path):
    wide = recipe.data.model_copy(update={"path": str(tmp_path / "new-*.csv"), "spans": 1})
    for number in range(5):
        (tmp_path / f"new-{number}.csv").write_text("a,y\n1,1\n")
    (reason,) = reasons(recipe.model_copy(update={"data": wide}))
    assert reason.endswith(
        "5 of 5 files are new since run 20260102-000000-1: "
        "new-2.csv, new-3.csv, new-4.csv and 2 more"
    )


def test_alarms_since_the_last_run(recipe, last):
    report(recipe, BEGUN + timedelta(hours=1), "psi", "latency_ms", "concept")
    assert reasons(recipe) == ["psi is up", "concept is up"]
    assert reasons(recipe, "quality") == ["concept is up"]
    assert reasons(recipe, "new_data") == []
    report(recipe, BEGUN - timedelta(hours=1), "psi")
    assert reasons(recipe) == []


def test_a_broken_report_is_one_clear_error(recipe, last):
    folder = Workspace.of(recipe).monitor
    folder.mkdir(parents=True)
    (folder / "latest.json").write_text("{")
    with pytest.raises(RecipeError, match="no report of the monitor") as caught:
        reasons(recipe)
    assert caught.value.where == str(folder / "latest.json")


def test_the_schedule_alone_is_reason_enough_if_the_recipe_says_so(recipe, last):
    assert reasons(recipe, "schedule") == []
    assert reasons(recipe, "schedule", by="schedule") == ["it is time by the schedule"]


def test_every_decision_is_recorded_and_settles_what_is_owed(recipe, last):
    owed.note("wine", BEGUN)
    assert retraining.retrain(recipe, Path("wine.yaml"), force=False, by="schedule") is None
    (decision,) = decisions.read(recipe)
    assert (decision.what, decision.version, decision.by) == ("keep", None, "schedule")
    assert decision.reason == retraining.nothing(recipe)
    assert owed.since("wine") is None


def test_data_that_are_gone_are_recorded_too(recipe, last, tmp_path):
    for file in tmp_path.glob("day-*.csv"):
        file.unlink()
    with pytest.raises(DataError, match="no such file"):
        retraining.retrain(recipe, Path("wine.yaml"), force=False, by="schedule")
    (decision,) = decisions.read(recipe)
    assert decision.what == "keep"
    assert decision.reason.startswith("failed: no such file")


def test_warm_start_is_from_the_champion(recipe):
    warm = recipe.model_copy(update={"retrain": Retrain(warm_start=True)})
    assert retraining.warm_started(warm) is warm
    serving = Workspace.of(recipe).serving
    for number in (1, 2):
        (serving / str(number)).mkdir(parents=True)
        (serving / str(number) / "saved_model.pb").touch()
    assert retraining.warm_started(recipe).trainer.start_from is None
    assert retraining.warm_started(warm).trainer.start_from == str(serving / "2")
    version_config.label(serving, {"stable": 1})
    assert retraining.warm_started(warm).trainer.start_from == str(serving / "1")


def test_never_beside_a_run_that_was_started_by_hand(home, tmp_path):
    """The real check of a real recipe, stopped by the lock that a run holds."""
    from sklearn.datasets import load_wine

    load_wine(as_frame=True).frame.to_csv(tmp_path / "wine.csv", index=False)
    file = tmp_path / "wine.yaml"
    file.write_text("name: wine\ndata: {path: wine.csv}\nlabel: target\ntask: multiclass\n")
    from trainyard.pipeline.recipe import load_recipe

    recipe = load_recipe(file)
    with (
        local.claimed(Workspace.of(recipe)),
        pytest.raises(BusyError, match="is being run already"),
    ):
        retraining.retrain(recipe, file, force=True, by="schedule")
    (decision,) = decisions.read(recipe)
    assert decision.reason.startswith("nothing to do: this recipe is being run already")
