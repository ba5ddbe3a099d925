"""kill -9 in each stage, then resume: what was finished is kept, nothing is half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import in_own_process
from trainyard.components.pusher import versions

# Resolving and validating end within milliseconds: there is no time to hit them.
START = "(start)"
KILLED = ["ExampleGen", "StatisticsGen", "Transform", "Trainer", "Evaluator", "Pusher"]
RECIPE = """\
name: killed
data: {path: rows.csv, split: {train: 6, eval: 2, test: 2}}
label: y
task: binary
trainer: {epochs: 30, batch_size: 16, early_stopping: null, params: {hidden: [8]}}
evaluation: {metrics: [auc], thresholds: [{metric: auc, min: 0.6}]}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    rng = np.random.default_rng(0)
    table = rng.normal(size=(6000, 3))
    label = (table @ [1, -1, 0.5] + rng.normal(scale=0.5, size=6000) > 0).astype(int)
    lines = [
        ",".join(f"{v:.4f}" for v in row) + f",{y}" for row, y in zip(table, label, strict=True)
    ]
    (folder / "rows.csv").write_text("a,b,c,y\n" + "\n".join(lines) + "\n")
    (folder / "killed.yaml").write_text(RECIPE)
    return folder / "killed.yaml"


def newest_record(home: Path) -> dict:
    files = sorted(home.glob("killed*/runs/*/run.json"), key=lambda file: file.parent.name)
    return json.loads(files[-1].read_text()) if files else {"stages": [], "pid": 0}


def kill_in(stage: str, home: Path, *command: object) -> None:
    """Starts a command and kills it as soon as the stage runs (in the Trainer: after an epoch)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trainyard", *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 120
    while not _is_in(stage, home, process.pid):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline, f"{stage} was never seen"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()


def _is_in(stage: str, home: Path, pid: int) -> bool:
    record = newest_record(home)
    states = {entry["name"]: entry["state"] for entry in record["stages"]}
    if stage == START:  # while it imports TensorFlow and checks the recipe
        return record["pid"] == pid and not states
    here = record["pid"] == pid and states.get(stage) == "running"
    return here and (stage != "Trainer" or any(home.glob("killed/checkpoints/*/state.npz")))


def test_a_run_killed_in_every_stage_ends_as_if_it_had_not_been(recipe, home):
    kill_in(START, home, "run", recipe)
    for stage in KILLED:
        kill_in(stage, home, "resume")
        record = newest_record(home)
        finished = KILLED[: max(0, KILLED.index(stage) - 1)]
        states = {entry["name"]: entry["state"] for entry in record["stages"]}
        assert all(states[name] == "unchanged" for name in finished), states
        assert versions.versions(home / "serving" / "killed") == []
    ended = in_own_process("resume", env=os.environ | {"TRAINYARD_HOME": str(home)})
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert [v.name for v in versions.versions(home / "serving" / "killed")] == ["1"]
    assert not list((home / "serving" / "killed").glob(".unfinished-*"))
    runs = in_own_process("runs", "killed", env=os.environ | {"TRAINYARD_HOME": str(home)})
    assert runs.stdout.count("interrupted") == 1 + len(KILLED)
    assert runs.stdout.count("pushed ") == 1
    again = in_own_process("resume", env=os.environ | {"TRAINYARD_HOME": str(home)})
    assert again.returncode == 2
    assert "has ended (pushed)" in again.stderr and "trainyard run" in again.stderr
    assert [v.name for v in versions.versions(home / "serving" / "killed")] == ["1"]


def test_the_training_went_on_from_its_checkpoint(home):
    record = newest_record(home)
    assert record["state"] == "pushed"
    trainer = next(stage for stage in record["stages"] if stage["name"] == "Trainer")
    facts = json.loads((Path(trainer["outputs"]["model_run"][0]) / "training.json").read_text())
    assert facts["resumed_from_epoch"] > 0
    assert facts["epochs"] == 30
    history = json.loads((Path(trainer["outputs"]["model_run"][0]) / "history.json").read_text())
    assert len(history["loss"]) == 30


def test_a_run_on_beam_killed_while_it_transforms(recipe, home):
    text = recipe.read_text().replace("name: killed", "name: killed_on_beam")
    beam = recipe.with_name("killed_on_beam.yaml")
    beam.write_text(text.replace("epochs: 30", "epochs: 2") + "engine: {name: beam}\n")
    kill_in("Transform", home, "run", beam)
    ended = in_own_process("resume", env=os.environ | {"TRAINYARD_HOME": str(home)})
    assert (ended.returncode, ended.stderr) == (0, "")
    record = newest_record(home)
    states = {entry["name"]: entry["state"] for entry in record["stages"]}
    before = ("ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Gate")
    assert {states[name] for name in before} == {"unchanged"}
    assert {states[name] for name in ("Transform", "Trainer", "Evaluator", "Pusher")} == {"done"}
    assert record["state"] == "pushed"
