"""What a run with `runner: flink` leaves behind, held against a local run's as `test_engines` does.

One run has its Python workers in this process, and another one goes on from there to judge with
workers of a pool. Both need Java and Beam's job server, which has a Flink within it, and are
skipped where these are not to be had. There a third takes their place: in it Beam's own job
service, in Python, is where the job server would be. All else in it is as with Flink: the checks
before the run, the options, the job server's start and end, the Job API, and workers in processes
of their own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Ran, variant
from tests.e2e.test_engines import (  # noqa: F401  # collected here, for `both` of this file
    judged_again,
    test_sliced_metrics_of_the_same_models_are_equal,
    test_statistics_are_equal,
    test_transformed_rows_are_equal_but_for_their_order,
    test_vocabularies_are_equal,
)
from tests.pipeline.beam import stand_in
from trainyard.errors import EnvironmentProblem
from trainyard.pipeline.beam import cluster
from trainyard.pipeline.beam.processes import free_port, running, wait_for
from trainyard.pipeline.recipe import resolved_recipe
from trainyard.pipeline.records import find_run
from trainyard.recipe_schema import FlinkEngine

RECIPE = "taxi_tips"
RAN: dict[str, Ran] = {}


@pytest.fixture(scope="module")
def flink() -> tuple[dict[str, str], str]:
    """What the engine says with which Flink can be run here, or why it cannot.

    A mirror of Maven Central may have another version than Beam's, and that only as the parts of
    a job server and not as one jar; both speak the same protocol.
    """
    for said in ({}, {"job_server": "org.apache.beam:beam-runners-flink-1.19:2.62.0"}):
        try:
            cluster.check(FlinkEngine(runner="flink", **said))
            return said, ""
        except EnvironmentProblem as problem:
            why_not = str(problem)
    return {}, why_not


@pytest.fixture(scope="module")
def worker_pool(tmp_path_factory) -> Iterator[str]:
    """The address of one that starts a process for each worker it is asked for."""
    port, log = free_port(), tmp_path_factory.mktemp("pool") / "pool.log"
    pool = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    with pytest.MonkeyPatch.context() as patch:
        # It starts what is called `python` on its path.
        patch.setenv(
            "PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        )
        with running([*pool, "--service_port", str(port)], log) as process:
            wait_for(process, port, log)
            yield f"localhost:{port}"


STAGES = {
    "flink": ("StatisticsGen", "Transform", "Evaluator"),
    "flink-pool": ("Evaluator",),
    "stand_in-pool": ("StatisticsGen", "Transform", "Evaluator"),
}
"""By run, what was done on Flink in it."""


@pytest.fixture(params=STAGES)
def both(request, ran, trainyard, tmp_path, monkeypatch, flink) -> tuple[Ran, Ran]:
    named, why_not = flink
    job_server, _, workers = request.param.partition("-")
    if job_server == "flink" and why_not:
        pytest.skip(why_not)
    if job_server == "stand_in" and not why_not:
        pytest.skip("Flink itself is here")
    local = ran(RECIPE)
    if request.param not in RAN:
        said = {"name": "beam", "runner": "flink", "parallelism": 2} | named
        if workers == "pool":
            said["worker_pool"] = request.getfixturevalue("worker_pool")
        if job_server == "stand_in":
            home, jar = stand_in.install(tmp_path)
            monkeypatch.setenv("JAVA_HOME", str(home))
            said["job_server_jar"] = str(jar)
        file = variant(ROOT / "recipes" / f"{RECIPE}.yaml", tmp_path, RECIPE, f"engine: {said}\n")
        # The cache does not ask which runner computed something.
        ended = trainyard("run", file, "--adopt", "--from", STAGES[request.param][0])
        assert ended.code == 0, ended.out + ended.err
        record = find_run(RECIPE)
        assert trainyard("check", ROOT / "recipes" / f"{RECIPE}.yaml", "--adopt").code == 0
        RAN[request.param] = Ran(resolved_recipe(record.recipe_json), record, ended)
    return local, RAN[request.param]


def test_a_job_server_of_its_own_did_the_work(both, request):
    which = request.node.callspec.params["both"]
    record = both[1].record
    assert record.state == "pushed"
    stages = {stage.name: stage.state for stage in record.stages}
    done = {name for name in STAGES["flink"] if stages[name] == "done"}
    assert done == set(STAGES[which])  # the others are kept, whatever the job server's port
    log = (record.folder / "logs" / "job_server.log").read_text()
    said = "Completed job" if which == "stand_in-pool" else "FlinkJobInvoker - Invoking job"
    assert log.count(said) >= len(STAGES[which])
