import os
import subprocess
import sys

import pytest

from trainyard.pipeline import cli, quiet


def trainyard(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "trainyard", *arguments], capture_output=True, text=True, check=False
    )


def test_help_loads_no_framework():
    code = (
        "import sys\n"
        "from trainyard.pipeline import cli\n"
        "try: cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'tfx', 'keras', 'apache_beam', 'pandas', 'sklearn', 'pyarrow'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Exit codes" in ended.stdout


def test_every_command_has_help():
    commands = [
        command.name or command.callback.__name__ for command in cli.app.registered_commands
    ]
    assert {"run", "check", "recipes", "runs", "why", "report", "resume", "predict"} <= set(
        commands
    )
    for command in [*commands, "schema infer", "schema show", "schema diff"]:
        with pytest.raises(SystemExit) as ended:
            cli.app([*command.split(), "--help"])
        assert ended.value.code == 0


def test_a_mistake_is_one_error_on_stderr_and_an_exit_code(tmp_path):
    ended = trainyard("check", str(tmp_path / "no.yaml"))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: there is no recipe")
    assert "Traceback" not in ended.stderr


def test_an_unknown_command_is_a_usage_error():
    ended = trainyard("rnu")
    assert ended.returncode == 2
    assert "No such command" in ended.stderr


@pytest.mark.parametrize("backend", ["jax", "torch", "nonsense"])
@pytest.mark.parametrize("command", ["check", "run", "retrain", "profile", "schema infer"])
def test_another_backend_of_keras_is_one_error_and_no_traceback(tmp_path, command, backend):
    (tmp_path / "rows.csv").write_text("x,y\n1.5,0\n2.5,1\n")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: rows\ndata: {path: rows.csv}\nlabel: y\ntask: binary\n")
    environment = {"KERAS_BACKEND": backend, "TRAINYARD_HOME": str(tmp_path / "home")}
    ended = subprocess.run(
        [sys.executable, "-m", "trainyard", *command.split(), str(recipe)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert (ended.returncode, ended.stdout) == (8, "")
    assert ended.stderr.startswith("error: the environment variable KERAS_BACKEND: ")
    assert f"received: {backend}" in ended.stderr and "unset KERAS_BACKEND" in ended.stderr
    assert not list((tmp_path / "home").glob("*/runs"))


def test_an_empty_backend_is_none(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "")
    quiet.require_backend()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
