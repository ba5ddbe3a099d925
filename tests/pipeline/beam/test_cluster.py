"""Everything that is needed is looked at before a run, and at hand during it."""

from __future__ import annotations

import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from pydantic import TypeAdapter

from trainyard.errors import EnvironmentProblem
from trainyard.pipeline.beam import cluster, endpoints, processes
from trainyard.pipeline.beam.options import options
from trainyard.pipeline.beam.processes import free_port
from trainyard.pipeline.runners import local
from trainyard.recipe_schema import AnyEngine, Engine, Recipe


def engine(**said) -> Engine:
    return TypeAdapter(AnyEngine).validate_python({"name": "beam", **said})


def recipe(**said) -> Recipe:
    return Recipe(
        name="a_b", data={"path": "a.csv"}, label="c", task="binary", engine=engine(**said)
    )


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(endpoints, "SECONDS", 2.0)


def test_one_machine_needs_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    cluster.check(engine(runner="direct"))
    with cluster.at_hand(recipe(runner="direct"), tmp_path / "log") as same:
        assert same == recipe(runner="direct")


def test_what_is_missing_is_told(in_javas_place, monkeypatch, tmp_path):
    own = {"runner": "flink", "job_server_jar": str(in_javas_place)}
    cluster.check(engine(**own))
    nobody = f"localhost:{free_port()}"
    monkeypatch.setenv("PATH", str(tmp_path))
    for said, words in [
        ({"runner": "flink", "job_endpoint": nobody}, "no Beam job server answers"),
        ({**own, "flink_master": nobody}, "no Flink answers"),
        ({**own, "worker_pool": nobody}, "no pool of Python workers answers"),
        ({**own, "container_image": "trainyard:1"}, "there is no Docker"),
    ]:
        with pytest.raises(EnvironmentProblem, match=words):
            cluster.check(engine(**said))


def test_a_run_does_not_begin(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    asked = recipe(runner="flink", job_endpoint=f"localhost:{free_port()}")
    with pytest.raises(EnvironmentProblem, match="no Beam job server answers"):
        local.run(asked, tmp_path / "recipe.yaml")
    assert not [*tmp_path.iterdir()]


def test_dataflow_needs_a_bucket():
    said = {"project": "p", "region": "r", "temp_location": "gs://b", "container_image": "i"}
    with pytest.raises(EnvironmentProblem, match="cannot read the folders"):
        cluster.check(engine(runner="dataflow", **said))


def _counted(said: list[str]) -> None:
    with beam.Pipeline(options=PipelineOptions(said)) as pipeline:
        words = pipeline | beam.Create(["a", "b", "a"]) | beam.combiners.Count.PerElement()
        assert_that(words, equal_to([("a", 2), ("b", 1)]))


def test_a_job_server_is_at_hand_and_takes_jobs(in_javas_place, tmp_path):
    asked = recipe(runner="flink", job_server_jar=str(in_javas_place), parallelism=2)
    log = tmp_path / "log"
    with cluster.at_hand(asked, log) as named:
        address = named.engine.job_endpoint
        endpoints.check_job_server(address)
        assert "--flink-master [local]" in log.read_text()
        assert named.engine.beam_options[0].startswith("--job_name=trainyard-a-b-")
        _counted(options(named.engine))
    with pytest.raises(EnvironmentProblem):
        endpoints.check_job_server(address)


def test_a_pool_of_workers_does_the_work(job_server, tmp_path, monkeypatch):
    # The pool starts what is called `python` on its path.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    port = free_port()
    pool = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    log = tmp_path / "pool.log"
    with processes.running([*pool, "--service_port", str(port)], log) as process:
        processes.wait_for(process, port, log)
        asked = recipe(runner="flink", job_endpoint=job_server, worker_pool=f"localhost:{port}")
        with cluster.at_hand(asked, tmp_path / "log") as named:
            _counted(options(named.engine))
    assert "Starting worker with command" in log.read_text()
    assert not (tmp_path / "log").exists()


def test_jobs_of_a_run_that_is_stopped_are_cancelled(job_server, tmp_path, monkeypatch):
    cancelled = []
    monkeypatch.setattr(endpoints, "cancel", lambda *asked: cancelled.append(asked))
    asked = recipe(runner="flink", job_endpoint=job_server)
    with cluster.at_hand(asked, tmp_path / "log") as named:
        job = named.engine.beam_options[0].removeprefix("--job_name=")
    with pytest.raises(KeyboardInterrupt), cluster.at_hand(asked, tmp_path / "log") as named:
        job = named.engine.beam_options[0].removeprefix("--job_name=")
        raise KeyboardInterrupt
    assert cancelled == [(job_server, job)]
