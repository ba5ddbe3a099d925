from __future__ import annotations

import pytest

from tests.pipeline.registry.conftest import push, record
from trainyard.errors import RecipeError
from trainyard.model_store import version_config
from trainyard.pipeline.registry import mirror
from trainyard.pipeline.workspace import Workspace

mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A store with its tables, which take MLflow seconds to make."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def uri(empty, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow.db").write_bytes(empty.read_bytes())
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def two(recipe, saved):
    """Two pushed versions and their runs, and a run that failed."""
    for number in (1, 2):
        push(recipe, saved, number, epochs=number)
        run = record(recipe, number, epochs=number)
        run.state = "pushed"
        run.save()
    failed = record(recipe, 3)
    failed.state = "failed"
    failed.verdict.metrics = {}
    failed.save()
    return recipe


def client(uri):
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def runs(uri):
    experiment = client(uri).get_experiment_by_name("half")
    return client(uri).search_runs([experiment.experiment_id], order_by=["start_time"])


def test_runs_versions_and_aliases_are_in_mlflow(two, uri, tmp_path):
    version_config.label(Workspace.of(two).serving, {"stable": 1, "canary": 2})
    told = mirror.mirror(two, uri)
    assert (told.runs, told.versions) == (3, 2)
    first, second, failed = runs(uri)
    assert first.data.metrics == pytest.approx({"mse": 0.1, "example_count": 100.0})
    assert second.data.params["epochs"] == "2"
    assert second.data.params["optimizer.name"] == "adam"
    assert (first.info.status, failed.info.status) == ("FINISHED", "FAILED")
    assert first.info.run_name == first.data.tags["trainyard.run"] == "20260101-120000-000"
    champion = client(uri).get_model_version_by_alias("half", "champion")
    challenger = client(uri).get_model_version_by_alias("half", "challenger")
    assert (champion.tags["trainyard.version"], challenger.tags["trainyard.version"]) == ("1", "2")
    assert champion.run_id == first.info.run_id
    assert champion.source == (Workspace.of(two).serving / "1").as_uri()
    assert champion.tags["input_fingerprint"] == "f1"
    assert not (tmp_path / "mlruns").exists()


def test_a_second_copy_adds_what_is_new_and_moves_the_aliases(two, uri, saved):
    mirror.mirror(two, uri)
    version_config.label(Workspace.of(two).serving, {"stable": 1, "canary": 2})
    assert mirror.mirror(two, uri).runs == 0
    push(two, saved, 3)
    version_config.label(Workspace.of(two).serving, {"stable": 2, "canary": None})
    told = mirror.mirror(two, uri)
    assert (told.runs, told.versions, told.aliases) == (0, 1, {"champion": 2})
    assert len(runs(uri)) == 3
    assert client(uri).get_registered_model("half").aliases.keys() == {"champion"}
    champion = client(uri).get_model_version_by_alias("half", "champion")
    assert champion.tags["trainyard.version"] == "2"


def test_a_copy_that_was_cut_short_is_made_again(two, uri, monkeypatch):
    real, calls = mlflow.MlflowClient.set_terminated, []

    def killed(self, *arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "set_terminated", killed)
        with pytest.raises(KeyboardInterrupt):
            mirror.mirror(two, uri)
    assert mirror.mirror(two, uri).runs == 2
    assert [run.info.status for run in runs(uri)] == ["FINISHED", "FINISHED", "FAILED"]


def test_a_run_that_still_goes_on_is_left_for_later(two, uri):
    record(two, 4).save()
    mirror.mirror(two, uri)
    assert len(runs(uri)) == 3


def test_more_settings_than_a_call_takes(two, uri):
    run = record(two, 5, params={f"p{number}": number for number in range(150)})
    run.state = "pushed"
    run.save()
    mirror.mirror(two, uri)
    assert runs(uri)[-1].data.params["params.p149"] == "149"


def test_a_store_that_cannot_be_is_an_error(two, tmp_path):
    (tmp_path / "text.db").write_text("this is no database")
    for uri in ("nonsense://x", f"sqlite:///{tmp_path}/text.db", str(tmp_path / "mlruns")):
        with pytest.raises(RecipeError, match="MLflow refuses"):
            mirror.mirror(two, uri)


def test_a_server_is_told_no_path_of_its_own(tmp_path):
    assert mirror._source(tmp_path, "http://host:5000").startswith("trainyard://")
