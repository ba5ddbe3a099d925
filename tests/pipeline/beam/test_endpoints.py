"""What answers is asked what it is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import apache_beam as beam
import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from trainyard.errors import EnvironmentProblem
from trainyard.pipeline.beam import endpoints
from trainyard.pipeline.beam.options import options
from trainyard.pipeline.beam.processes import free_port
from trainyard.recipe_schema import FlinkEngine


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(endpoints, "SECONDS", 2.0)


@contextmanager
def answering(status: int, body: object) -> Iterator[str]:
    """A server that answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/config" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"localhost:{server.server_port}"
        server.shutdown()


def test_a_job_server_is_one(job_server):
    endpoints.check_job_server(job_server)


def test_no_job_server():
    with pytest.raises(EnvironmentProblem, match="no Beam job server answers"):
        endpoints.check_job_server(f"localhost:{free_port()}")


def test_something_else_that_speaks_grpc():
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("localhost:0")
    server.start()
    with pytest.raises(EnvironmentProblem, match="not a Beam job server") as caught:
        endpoints.check_job_server(f"localhost:{port}")
    assert "UNIMPLEMENTED" in caught.value.received
    server.stop(0)


# Flink's own answer has more keys; see "/config" in its REST API.
@pytest.mark.parametrize("scheme", ["", "http://"])
def test_flink_of_the_right_version(scheme):
    with answering(200, {"refresh-interval": 3000, "flink-version": "1.19.1"}) as address:
        endpoints.check_flink(scheme + address, "1.19")


def test_flink_of_another_version():
    with (
        answering(200, {"flink-version": "1.18.0"}) as address,
        pytest.raises(EnvironmentProblem, match="another version of Flink") as caught,
    ):
        endpoints.check_flink(address, "1.19")
    assert caught.value.received == "Flink 1.18.0"
    assert '"1.18"' in caught.value.hint


@pytest.mark.parametrize(("status", "body"), [(401, {}), (200, {"version": "1"}), (200, [1])])
def test_no_flink_but_something_else(status, body):
    with (
        answering(status, body) as address,
        pytest.raises(EnvironmentProblem, match="not Flink's REST interface"),
    ):
        endpoints.check_flink(address, "1.19")


def test_no_flink():
    with pytest.raises(EnvironmentProblem, match="no Flink answers"):
        endpoints.check_flink(f"localhost:{free_port()}", "1.19")


def test_no_worker_pool(job_server):
    endpoints.check_worker_pool(job_server)  # it looks whether somebody listens
    port = free_port()
    with pytest.raises(EnvironmentProblem, match="no pool of Python workers") as caught:
        endpoints.check_worker_pool(f"localhost:{port}")
    assert f"--service_port={port}" in caught.value.hint


def test_only_the_runs_own_jobs_are_cancelled(job_server):
    engine = FlinkEngine(runner="flink", job_endpoint=job_server)
    ours, others = (_started([*options(engine), f"--job_name={n}"]) for n in ("ours", "others"))
    endpoints.cancel(job_server, "ours")
    assert ours.state == "CANCELLED"
    assert others.state == "RUNNING"
    others.cancel()
    endpoints.cancel(f"localhost:{free_port()}", "ours")  # nobody there: nothing to cancel


def test_beam_gives_a_long_job_up_at_the_time_out(job_server):
    said = options(FlinkEngine(runner="flink", job_endpoint=job_server))
    with pytest.raises(grpc.RpcError, match="Deadline"):
        _started([*said, "--job_server_timeout=2"]).wait_until_finish()
    _started(said).wait_until_finish()


def _started(said: list[str]) -> beam.runners.runner.PipelineResult:
    pipeline = beam.Pipeline(options=PipelineOptions(said))
    _ = pipeline | beam.Create([5.0]) | beam.Map(time.sleep)
    result = pipeline.run()
    until = time.monotonic() + 30
    while result.state != "RUNNING" and time.monotonic() < until:
        time.sleep(0.05)
    return result
