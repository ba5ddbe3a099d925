"""Two devices and two machines: logical processors and processes of this one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules.tables import Transformed, serialize
from trainyard.errors import EnvironmentProblem, RecipeError
from trainyard.recipe_schema import Distribution, Trainer
from trainyard.trainer_modules.harness import distribution, export, training

# Neither dropout nor batch normalization: both look at a device's rows alone.
SETTINGS = {
    "params": {"hidden": [8], "dropout": 0.0},
    "epochs": 3,
    "batch_size": 32,
    "optimizer": {"name": "adam", "learning_rate": 0.02},
    "early_stopping": {"monitor": "val_auc", "patience": 3},
}

PROGRAM = """
import json, sys
from pathlib import Path
import tensorflow as tf
if {logical}:
    devices = [tf.config.LogicalDeviceConfiguration()] * {logical}
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
from tests.trainer_modules.tables import Transformed, recipe
from trainyard.trainer_modules.harness import distribution, training
part = distribution.part
def counting(batch, device, replicas, *, even):
    shares = part(batch, device, replicas, even=even)
    rows = tf.shape(tf.nest.flatten(shares)[0])[0]
    if even:
        tf.print("ROWS", device, rows, output_stream="file://{run}.rows" + "{worker}")
    return shares
distribution.part = counting
made = Transformed(recipe("{task}"), Path("{folder}"), [], [])
args = made.fn_args(Path("{run}"), **json.loads('{settings}'))
training.{call}(args)
"""


def launch(made: Transformed, run, call="train", logical=0, worker=0, cluster=None, **settings):
    program = PROGRAM.format(
        logical=logical,
        task=made.recipe.task,
        folder=made.folder,
        run=run,
        worker=worker,
        call=call,
        settings=json.dumps(SETTINGS | settings),
    )
    environment = os.environ | ({"TF_CONFIG": json.dumps(cluster)} if cluster else {})
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def ended(process) -> str:
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 0, said[-3000:]
    return said


def outcome(run):
    model = keras.saving.load_model(run / "model_run" / export.MODEL_FILE, compile=False)
    return model.get_weights(), json.loads((run / "model_run" / "history.json").read_text())


def rows_seen(run, worker=0) -> list[int]:
    lines = (run.parent / f"{run.name}.rows{worker}").read_text().split("ROWS")[1:]
    return [int(line.split()[1]) for line in lines]


def assert_same(one, other):
    for name, values in one[1].items():
        np.testing.assert_allclose(other[1][name], values, atol=1e-5, err_msg=name)
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.fixture(scope="module")
def alone(transformed, tmp_path_factory):
    run = tmp_path_factory.mktemp("alone") / "run"
    training.run_fn(transformed("binary").fn_args(run, **SETTINGS))
    return outcome(run)


@pytest.mark.parametrize("settings", [{}, {"precision": "mixed_float16"}], ids=["32", "16"])
def test_two_devices_take_the_way_of_one(settings, alone, transformed, tmp_path):
    made, run = transformed("binary"), tmp_path / "run"
    ended(launch(made, run, logical=2, distribution="mirrored", **settings))
    facts = json.loads((run / "model_run" / "training.json").read_text())
    assert (facts["replicas"], facts["global_batch"]) == (2, 32)
    assert set(rows_seen(run)) == {16, 6}, "half a batch each, and of the last one of 12 rows"
    if settings:
        assert np.isfinite(outcome(run)[1]["val_loss"]).all()
    else:
        assert_same(outcome(run), alone)
    rows = [serialize(row) for row in made.held_out]
    served = export.Served(run / "Format-Serving")
    reference = export.reference_predictions(run / "model_run", made.graph, rows, served.told)
    np.testing.assert_allclose(served.predictions(rows), reference, atol=1e-5)


def cluster_of(index: int, ports: list[int]) -> dict:
    hosts = [f"localhost:{port}" for port in ports]
    return {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def test_two_workers_share_the_batch_and_the_chief_alone_writes(alone, transformed, tmp_path):
    made, ports = transformed("binary"), free_ports(2)
    runs = [tmp_path / "chief", tmp_path / "other"]  # so that what each writes can be told
    processes = [
        launch(
            made,
            run,
            worker=index,
            cluster=cluster_of(index, ports),
            distribution="multi_worker",
        )
        for index, run in enumerate(runs)
    ]
    for process in processes:
        ended(process)
    assert_same(outcome(runs[0]), alone)
    assert not runs[1].exists()
    assert not list((tmp_path / "checkpoints").rglob("*.npz"))
    for index, run in enumerate(runs):
        seen = rows_seen(run, index)
        assert max(seen) == 16
        assert sum(seen[:10]) == 150, "half of the 300 rows of an epoch"
    rows = [serialize(row) for row in made.held_out]
    served = export.Served(runs[0] / "Format-Serving")
    reference = export.reference_predictions(runs[0] / "model_run", made.graph, rows, served.told)
    np.testing.assert_allclose(served.predictions(rows), reference, atol=1e-5)


def test_the_chief_s_run_starts_the_others(alone, transformed, tmp_path):
    """As `trainyard run` and `trainyard worker` do, in processes that used TensorFlow before."""
    made, ports, run = transformed("binary"), free_ports(2), tmp_path / "run"
    chief = launch(made, run, "run_fn", cluster=cluster_of(0, ports), distribution="multi_worker")
    follower = (
        "from pathlib import Path; from trainyard.trainer_modules.harness import workers; "
        f"workers.follow(Path({str(tmp_path / 'checkpoints')!r}), 60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", follower],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TF_CONFIG": json.dumps(cluster_of(1, ports))},
    )
    ended(chief)
    ended(other)
    assert_same(outcome(run), alone)
    assert not list((tmp_path / "checkpoints").rglob("job.json"))


def test_an_error_of_a_worker_is_the_error_of_the_run(transformed, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster_of(0, free_ports(1))))
    settings = SETTINGS | {"distribution": "multi_worker", "class_weights": {"maybe": 2.0}}
    with pytest.raises(RecipeError, match="no class 'maybe'") as caught:
        training.run_fn(transformed("binary").fn_args(tmp_path / "run", **settings))
    assert caught.value.where == "trainer.class_weights.maybe"


@pytest.mark.parametrize("text", ["", "{", '{"cluster": {"worker": ["a:1"]}}', '{"task": 3}'])
def test_a_bad_tf_config_is_shown_with_a_good_one(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(EnvironmentProblem, match='"cluster"'):
        distribution.cluster()


@pytest.mark.parametrize(
    ("cluster", "task", "chief"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0), True),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("worker", 0), False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("chief", 0), True),
    ],
)
def test_there_is_one_chief(cluster, task, chief, monkeypatch):
    config = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert distribution.is_chief(Distribution(name="multi_worker")) is chief


def test_a_run_on_another_worker_says_which_command_to_use(transformed, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster_of(1, [1, 2])))
    args = transformed("binary").fn_args(tmp_path / "run", distribution="multi_worker")
    with pytest.raises(EnvironmentProblem, match="trainyard worker"):
        training.run_fn(args)


def test_devices_that_are_not_there_are_named():
    with pytest.raises(EnvironmentProblem, match="GPU:7"):
        distribution.strategy(Distribution(name="mirrored", devices=("GPU:7",)))


def test_a_tpu_that_does_not_answer_is_one_clear_error():
    with pytest.raises(EnvironmentProblem, match="TPU"):
        distribution.strategy(Distribution(name="tpu", address="nowhere"))


@pytest.mark.parametrize(("rows", "replicas"), [(12, 4), (13, 4), (1, 4), (3, 4), (4, 4), (5, 1)])
@pytest.mark.parametrize("even", [True, False])
def test_the_parts_of_a_batch_are_all_of_it(rows, replicas, even):
    batch = ({"x": tf.range(rows)}, tf.range(rows) * 10)
    parts = [
        distribution.part(batch, tf.constant(device, tf.int64), replicas, even=even)
        for device in range(replicas)
    ]
    taken = np.concatenate([x["x"].numpy() for x, _ in parts])
    assert set(taken) == set(range(rows))
    assert all(len(x["x"]) >= 1 for x, _ in parts)
    for x, y in parts:
        np.testing.assert_array_equal(x["x"] * 10, y)
    if even:
        assert len({len(y) for _, y in parts}) == 1
        assert len(taken) - rows < replicas
    elif rows >= replicas:
        assert len(taken) == rows, "no row counts twice"


@pytest.mark.parametrize(("name", "factor"), [("none", 1.0), ("linear", 4.0), ("sqrt", 2.0)])
def test_the_learning_rate_is_scaled_if_asked_for_and_the_clipping_shared(name, factor):
    section = {
        "distribution": {"name": "mirrored", "scale_learning_rate": name},
        "clip_norm": 1.0,
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
    }
    scaled = distribution.scaled(Trainer.model_validate(section), 4)
    assert scaled.optimizer.learning_rate == pytest.approx(0.1 * factor)
    assert scaled.clip_norm == 0.25
    assert scaled.batch_size == 64


def test_a_batch_needs_a_row_a_device():
    with pytest.raises(RecipeError, match="4 devices"):
        distribution.scaled(Trainer(batch_size=3), 4)
