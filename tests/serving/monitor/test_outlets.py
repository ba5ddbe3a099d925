"""Against a real HTTP server on this machine."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prometheus_client import generate_latest

from trainyard.serving.monitor import outlets
from trainyard.serving.monitor.report import Alarm, Measure, MonitorReport, Window

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def report():
    told = {"kind": "ks", "column": 'fa"re', "measured": 0.4, "threshold": 0.1}
    window = Window(asked="24h", since=NOW, until=NOW)
    return MonitorReport(
        recipe="taxi_tips",
        version=3,
        run="r",
        at=NOW,
        window=window,
        rows=500,
        alarms=[Alarm(**told, window=str(window), sentence="fare moved")],
        measures=[Measure(**told, p_value=0.001, alarming=True)],
    )


@pytest.fixture
def listener():
    """An address, what it was sent, and what it answers."""
    received, answers = [], {"status": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Content-Type"], body))
            self.send_response(answers["status"])
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received, answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_webhook_gets_the_report_as_json(report, listener):
    address, received, _ = listener
    assert outlets.post(report, address) == ""
    ((path, kind, body),) = received
    assert (path, kind) == ("/hook", "application/json")
    assert MonitorReport.model_validate_json(body) == report


def test_a_webhook_that_fails_is_a_sentence(report, listener):
    address, _, answers = listener
    answers["status"] = 503
    host = address.removesuffix("/hook")
    said = outlets.post(report, address)
    assert said == f"the webhook of {host} answered 503 Service Unavailable"
    said = outlets.post(report, "http://user:password@127.0.0.1:9/key?token=1")
    assert said == "the webhook of http://127.0.0.1:9 could not be reached: ConnectionError"


def test_a_webhook_that_never_answers_is_given_up(report, monkeypatch):
    import socket

    monkeypatch.setattr(outlets, "_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = outlets.post(report, f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert said.endswith("could not be reached: ReadTimeout")


def test_gauges_follow_the_newest_report(report):
    newest = None
    registry = outlets.registry(lambda: newest)
    assert generate_latest(registry) == b""
    newest = report
    page = generate_latest(registry).decode()
    assert 'trainyard_monitor_alarms{recipe="taxi_tips"} 1.0' in page
    labels = r'column="fa\"re",kind="ks",recipe="taxi_tips",slice=""'
    assert f"trainyard_monitor_measured{{{labels}}} 0.4" in page
    assert f"trainyard_monitor_alarming{{{labels}}} 1.0" in page


def test_gauges_as_a_file(report, tmp_path):
    outlets.write_gauges(report, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [outlets.FILE]
    assert "trainyard_monitor_rows" in (tmp_path / outlets.FILE).read_text()
