"""Training on more data than there is memory: the kernel refuses what is above the limit."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROWS, WIDTH = 60_000, 2_000
LIMIT = 224 * 2**20
"""Beyond what the process has taken when it has trained on a few rows."""

PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np, tensorflow as tf
from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules import mlp
from trainyard.trainer_modules.harness import inputs, training
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec

folder, bound, rows, width, limit = Path(sys.argv[1]), *map(int, sys.argv[2:])
inputs.IN_MEMORY_BYTES = min(bound, inputs.IN_MEMORY_BYTES)
features = {
    "numeric": tf.io.FixedLenFeature([width], tf.float32),
    "label": tf.io.FixedLenFeature([1], tf.int64),
}

def written(name, count):
    random, some = np.random.default_rng(0), []
    for _ in range(64):
        values = random.normal(size=width)
        example = tf.train.Example()
        example.features.feature["numeric"].float_list.value.extend(values)
        example.features.feature["label"].int64_list.value.append(int(values[0] > 0))
        some.append(example.SerializeToString())
    file = str(folder / name)
    with tf.io.TFRecordWriter(file) as writer:
        for row in range(count):
            writer.write(some[row % 64])
    return inputs.Examples([file], features, bound)

def train(name, count):
    chosen = Trainer(epochs=1, batch_size=64, early_stopping=None)
    spec = ModelSpec.of_one({"numeric": InputSpec((width,), "float32")}, "binary",
                     LabelSpec(count, ("0", "1"), (count // 2, count // 2)), chosen)
    examples, few = written(name, count), written(name + "_eval", 256)
    run = folder / (name + "_run")
    run.mkdir()
    arranged = training.Training(None, None, examples, few, run, run / "state" / "state.npz")
    model = mlp.build_model(mlp.Params(hidden=(8,)), spec)
    training.fit(arranged, mlp, mlp.Params(hidden=(8,)), model, spec)
    return len(examples.targets["label"]) if bound > limit else count

train("few", 2048)
taken = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if "VmData" in line)
resource.setrlimit(resource.RLIMIT_DATA, (taken + limit,) * 2)
print("limited", flush=True)
train("many", rows)
print("trained on", sum(f.stat().st_size for f in folder.glob("many")), flush=True)
"""


def train_within_limit(folder, bound: int) -> subprocess.CompletedProcess:
    arguments = map(str, [folder, bound, ROWS, WIDTH, LIMIT])
    return subprocess.run(
        # A thread's stack counts in full: 1 MB of it is enough.
        ["sh", "-c", 'ulimit -s 1024; exec "$@"', "sh", sys.executable, "-c", PROGRAM, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_trains_on_twice_the_memory_that_it_may_take(tmp_path):
    ended = train_within_limit(tmp_path, 8 * 2**20)
    assert ended.returncode == 0, ended.stderr[-2000:]
    size = int(ended.stdout.split("trained on")[1])
    assert size > 1.9 * LIMIT


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_the_limit_is_one(tmp_path):
    """Held in memory, the same rows are too many."""
    ended = train_within_limit(tmp_path, 2**30)
    assert ended.returncode != 0
    assert "limited" in ended.stdout
    assert "trained on" not in ended.stdout
