"""Stages that are processes of their own, and the record that they make together."""

from datetime import UTC, datetime

import pytest

from tests.pipeline.kubeflow import metadata_server
from tests.pipeline.kubeflow.conftest import WINE
from trainyard.errors import DataError, EnvironmentProblem, RecipeError
from trainyard.pipeline import records
from trainyard.pipeline.kubeflow import node
from trainyard.pipeline.kubeflow.luggage import Luggage


@pytest.fixture
def task(tmp_path, monkeypatch):
    for name in ("TRAINYARD_HOME", "TRAINYARD_CACHE", "TRAINYARD_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "root" / name.lower()))  # put back afterwards
    monkeypatch.delenv("TRAINYARD_CACHE")

    def make(stage="ExampleGen", run="abc", **more):
        root = tmp_path / "root"
        given = {"root": root, "metadata": f"sqlite:{root / 'wine' / 'metadata.sqlite'}"} | more
        return node.Task(node=stage, run=run, luggage=Luggage.of(WINE), **given)

    return make


def test_a_stage_leaves_its_record_for_the_others(task, tmp_path):
    told = node.run_node(task())
    assert told == ["ExampleGen: done: no earlier result"]
    (file,) = (tmp_path / "root" / "wine" / "stages" / "abc").glob("*.json")
    left = node._Left.model_validate_json(file.read_text())
    assert left.stage.outputs["examples"][0].startswith(str(tmp_path / "root" / "wine"))
    assert node.run_node(task(run="next")) == [
        "ExampleGen: unchanged: unchanged: same inputs, parameters and code"
    ]
    assert node.run_node(task(run="third", use_cache=False)) == ["ExampleGen: done: caching is off"]


def test_the_metadata_can_be_a_server(task, tmp_path):
    with metadata_server.serving(tmp_path / "m.sqlite") as (port, calls):
        address = f"grpc://127.0.0.1:{port}"
        assert node.run_node(task(metadata=address))[0].startswith("ExampleGen: done")
        assert node.run_node(task("StatisticsGen", metadata=address))[0].startswith("Stat")
    assert "PutExecution" in calls


def test_a_stage_that_fails_makes_the_run_s_record(task, tmp_path, capfd):
    (tmp_path / "bad.csv").write_text("a,b\n1\n")
    changes = {"data.dataset": "null", "data.path": str(tmp_path / "none.csv")}
    with pytest.raises(DataError, match="no such file"):
        node.run_node(task(changes=changes))
    run = records.find_run("wine")
    assert (run.state, run.known_as) == ("failed", "abc")
    assert "no such file" in run.error
    assert run.stages[0].state == "failed"


def test_a_stage_that_is_tried_again_goes_on_with_the_run(task, tmp_path, capfd):
    changes = {"data.dataset": "null", "data.path": str(tmp_path / "none.csv")}
    with pytest.raises(DataError):
        node.run_node(task(changes=changes))
    failed = records.find_run("wine")
    assert node.run_node(task())[0].startswith("ExampleGen: done")
    assert node.run_node(task("StatisticsGen"))[0].startswith("StatisticsGen: done")
    with pytest.raises(RecipeError):
        node.run_node(task("Trainr"))
    assert [run.id for run in records.all_runs("wine")] == [failed.id]


def test_a_store_that_is_down_is_one_error(task, capfd):
    with pytest.raises(EnvironmentProblem, match="the metadata store does not answer"):
        node.run_node(task(metadata="grpc://127.0.0.1:1"))


def test_a_stage_that_there_is_not(task, capfd):
    with pytest.raises(RecipeError, match="there is no stage 'Trainr'") as caught:
        node.run_node(task("Trainr"))
    assert caught.value.hint == "did you mean 'Trainer'?"


def test_the_pushed_model_is_the_run_s_own_by_whatever_name(task):
    from trainyard.pipeline import verdict

    record = records.RunRecord(
        id="1", recipe="wine", recipe_file="", recipe_json="{}",
        started=datetime.now(UTC), known_as="abc",
    )  # fmt: skip
    judged = records.Verdict(pushed=True, version="3", destination="/served/3")
    assert verdict._pushed(record, judged, {"run": "abc"}).startswith("Pushed: version 3")
    assert "run other pushed" in verdict._pushed(record, judged, {"run": "other"})
