"""A recipe is run and served; what the console says can be pasted."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time

import pytest
import requests

from tests.e2e.conftest import ROOT, variant
from trainyard.components.pusher import versions
from trainyard.pipeline.records import find_run

WINE = ROOT / "recipes" / "wine.yaml"


@pytest.fixture
def served(ran, home):
    """The lines that `trainyard serve` says when it answers, and its process."""
    ran("wine")
    ports = ["--port", "0", "--rest-api-port", "0", "--log-sampling-rate", "1"]
    command = [sys.executable, "-m", "trainyard", "serve", str(WINE), *ports]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TRAINYARD_HOME": str(home)},
    )
    lines = [process.stdout.readline().rstrip() for _ in range(7)]
    yield process, lines
    process.kill()
    process.communicate()


def test_the_request_on_the_console_is_answered_and_logged(served, home):
    process, lines = served
    newest = versions.versions(home / "serving" / "wine")[-1].name  # other tests push it too
    assert lines[0] == f"wine  version {newest} answers"
    curl, flag, body, url = shlex.split(lines[5].removeprefix("try "))
    assert (curl, flag) == ("curl", "-d")
    answer = requests.post(url, data=body, timeout=10)
    assert answer.status_code == 200
    (prediction,) = answer.json()["predictions"]
    assert sum(prediction["predictions"]) == pytest.approx(1, abs=1e-5)
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "batching on (rows are independent" in lines[6]
    assert "stopping" in out
    assert [file.suffix for file in (home / "wine" / "requests").iterdir()] == [".tfrecord"]


def test_nothing_pushed_is_one_clear_error(trainyard, tmp_path):
    ended = trainyard("serve", variant(WINE, tmp_path, "never_run"))
    assert ended.code == 2
    assert "no version has been pushed yet" in ended.err


def test_a_recipe_that_asks_for_it_is_validated_in_a_server(trainyard, tmp_path):
    recipe = variant(WINE, tmp_path, "validated", "push: {infra_validation: true}\n")
    started = time.monotonic()
    assert trainyard("run", recipe).code == 0
    (pusher,) = [stage for stage in find_run("validated").stages if stage.name == "Pusher"]
    assert 1 < pusher.seconds < time.monotonic() - started  # a process was started for it
