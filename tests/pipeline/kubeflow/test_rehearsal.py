"""Commands as processes of this machine; the real stages are in tests/e2e."""

import json
import sys

import pytest

from trainyard.errors import TrainingError, TrainyardError
from trainyard.pipeline.console import RunConsole
from trainyard.pipeline.kubeflow import compiled, rehearsal

NOTE = "import json, os, sys; print('ExampleGen: done: as told')\n"


@pytest.fixture
def launch(tmp_path, capfd):
    def call(code, env=None):
        task = compiled.Task("example-gen", "ExampleGen", (), "image", (), env or {}, {})
        log = tmp_path / "ExampleGen.log"
        rehearsal._launch(task, ["python", "-c", code], log, RunConsole())
        return log.read_text(), capfd.readouterr().out

    return call


def test_the_container_s_python_is_this_one_and_its_environment_its_own(launch):
    code = f"{NOTE}print(json.dumps([sys.executable, os.environ['A']]))"
    log, out = launch(code, {"A": "b"})
    assert json.loads(log.splitlines()[1]) == [sys.executable, "b"]
    assert "✓ ExampleGen" in out
    assert "as told" in out


def test_the_error_of_a_stage_is_the_rehearsal_s(launch):
    code = "import sys; print('error: it diverged\\n  what to do: mend it'); sys.exit(5)"
    with pytest.raises(TrainingError, match="it diverged") as caught:
        launch(code)
    assert caught.value.where == "ExampleGen"
    assert "ExampleGen.log" in caught.value.hint


def test_a_process_that_says_nothing(launch):
    with pytest.raises(TrainyardError, match="ended with exit code 77"):
        launch("import os; os._exit(77)")


def test_only_two_arguments_are_others_than_in_a_pod():
    words = ["--root", "/trainyard", "--metadata", "grpc://m:1", "--set", "root=--root"]
    values = {"--root": "/here", "--metadata": "sqlite:/m"}
    replaced = ["--root", "/here", "--metadata", "sqlite:/m", "--set", "root=--root"]
    assert rehearsal._replaced(["python", *words], values) == ["python", *replaced]
