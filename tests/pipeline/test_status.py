from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from trainyard.errors import RecipeError
from trainyard.model_store import version_config
from trainyard.pipeline import status
from trainyard.pipeline.recipe import dump
from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.registry import decisions
from trainyard.pipeline.scheduling import schedule
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe, RunSchedule
from trainyard.serving.monitor.report import Alarm, MonitorReport, Window

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def recipe(home):
    return Recipe.model_validate(
        {"name": "wine", "data": {"path": "w.csv"}, "label": "y", "task": "binary"}
    )


@pytest.fixture
def run(recipe):
    record = RunRecord(
        id="20260102-000000-001",
        recipe="wine",
        recipe_file="wine.yaml",
        recipe_json=dump(recipe),
        started=datetime.now(UTC),
        stages=[StageRecord(name="Trainer", state="running")],
    )
    record.save()
    return record


def shown(found) -> str:
    stream = StringIO()
    Console(file=stream, width=200).print(status.screen(found))
    return stream.getvalue()


def test_nothing_yet(home):
    found = status.look(None, NOWHERE)
    assert (found.recipes, found.scheduler) == ([], None)
    assert "nothing has run yet" in shown(found)
    with pytest.raises(RecipeError, match="nothing is known of a recipe 'wine'"):
        status.look("wine", NOWHERE)


def test_a_run_that_goes_on_and_one_that_was_killed(run):
    (wine,) = status.look("wine", NOWHERE).recipes
    assert (wine.run.state, wine.run.stage) == ("running", "Trainer")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    run.pid = ended.pid
    run.save()
    (wine,) = status.look("wine", NOWHERE).recipes
    assert wine.run.state == "killed"
    assert "20260102-000000-001 killed in Trainer" in shown(status.look(None, NOWHERE))


def test_a_process_that_has_the_number_by_chance_is_no_run(run):
    run.started = datetime(2020, 1, 1, tzinfo=UTC)
    run.save()
    assert status.look("wine", NOWHERE).recipes[0].run.state == "killed"


def test_one_screen_of_everything(recipe, run, home):
    serving = Workspace.of(recipe).serving
    for number in (1, 2):
        (serving / str(number)).mkdir(parents=True)
        (serving / str(number) / "saved_model.pb").touch()
    version_config.label(serving, {"stable": 1, "canary": 2})
    alarms = [
        Alarm(kind="psi", measured=2, threshold=1, window="today", sentence=f"column {n} has moved")
        for n in range(3)
    ]
    now = datetime.now(UTC)
    window = Window(asked="24h", since=now, until=now)
    MonitorReport(
        recipe="wine", version=1, run="r", at=now, window=window, rows=5000, alarms=alarms
    ).write(Workspace.of(recipe).monitor)
    schedule.add("wine", Path("wine.yaml"), RunSchedule(cron="0 3 * * *"))
    schedule.add("other", Path("other.yaml"), RunSchedule(cron="0 4 * * *"))
    decisions.record(recipe, "promote", 1, "it is better", "a test")
    found = status.look(None, NOWHERE)
    assert [each.recipe for each in found.recipes] == ["other", "wine"]
    text = shown(found)
    for part in (
        "scheduler: not running",
        "2 versions, 1 answers (canary 2, stable 1); no server is running",
        "version 1, 5,000 rows: column 0 has moved; column 1 has moved; and 1 more",
        "03:00 UTC  (0 3 * * *)",
        "promote version 1: it is better",
    ):
        assert part in text
    again = status.Status.model_validate_json(found.model_dump_json())
    assert again == found


@pytest.fixture
def server():
    """What a model server answers about its versions, as TensorFlow Serving words it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path == "/v1/models/wine"
            states = [("2", "AVAILABLE"), ("1", "END"), ("3", "LOADING")]
            told = [{"version": v, "state": s, "status": {}} for v, s in states]
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"model_version_status": told} if known else {}).encode())

        def log_message(self, *_):
            pass

    listening = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()


def test_what_a_server_has_loaded(recipe, run, server):
    (wine,) = status.look("wine", server).recipes
    assert (wine.served.server, wine.served.available) == (server, [2])
    other = recipe.model_copy(update={"name": "other"})
    run.model_copy(update={"recipe": "other", "recipe_json": dump(other)}).save()
    (found,) = status.look("other", server).recipes
    assert found.served.server == ""


def test_it_is_fast_for_it_loads_no_framework(run, home):
    code = (
        "import sys; sys.argv = ['trainyard', 'status', '--json']\n"
        "from trainyard.pipeline import cli\n"
        "cli.answer()\n"
        "sys.exit(str({'tensorflow', 'tfx', 'keras', 'apache_beam'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == ""
    assert json.loads(done.stdout)["recipes"][0]["recipe"] == "wine"
