"""A tiny model in numbered versions, and a real server around it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import requests

NAME = "half_plus_version"


def save(folder: Path, number: int) -> Path:
    """Saves a version whose `serving_default` answers x / 2 + number.

    `strings` takes two inputs; `classify` and `regress` take tf.Examples; `picky` fails on
    negative numbers; `mean` is no function of rows.
    """
    import tensorflow as tf

    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.bias = tf.Variable(float(number))
            self.table = tf.Variable(tf.zeros([100_000]))  # so that a leak shows

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def half(self, x):
            return {"y": x / 2 + self.bias}

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, name="word"),
                tf.TensorSpec([None, None], tf.int64, name="numbers"),
            ]
        )
        def strings(self, word, numbers):
            total = tf.reduce_sum(numbers, axis=1)
            return {"joined": tf.strings.join([word, tf.strings.as_string(total)]), "total": total}

        def parsed(self, inputs):
            return tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([], tf.float32, 0.0)})[
                "x"
            ]

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def classify(self, inputs):
            score = tf.sigmoid(self.parsed(inputs))[:, tf.newaxis]
            classes = tf.tile([["no", "yes"]], [tf.size(inputs), 1])
            return {"scores": tf.concat([1 - score, score], axis=1), "classes": classes}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
        def regress(self, inputs):
            return {"outputs": self.parsed(inputs) / 2 + self.bias}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def picky(self, x):
            with tf.control_dependencies([tf.debugging.assert_non_negative(x, "negative")]):
                return {"y_bytes": tf.strings.as_string(tf.sqrt(x))}

        @tf.function(input_signature=[tf.TensorSpec([2, 2], tf.float32, name="x")])
        def mean(self, x):
            return {"y": tf.reduce_mean(x)}

    model = Model()
    signatures = {
        name: getattr(model, name) for name in ("strings", "classify", "regress", "picky", "mean")
    }
    beside = folder / f".saving-{number}"
    tf.saved_model.save(model, str(beside), {"serving_default": model.half, **signatures})
    return beside.rename(folder / str(number))


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> Path:
    """Versions 1 to 4; tests copy what they change."""
    folder = tmp_path_factory.mktemp("saved")
    for number in (1, 2, 3, 4):
        save(folder, number)
    return folder


@pytest.fixture
def base(saved, tmp_path) -> Path:
    """A base path with version 1."""
    folder = tmp_path / "models"
    folder.mkdir()
    push(saved, folder, 1)
    return folder


def push(saved: Path, base: Path, number: int, source: int | None = None) -> Path:
    """Copies a version as the Pusher does: beside, then renamed."""
    beside = base / f".unfinished-{number}"
    shutil.copytree(saved / str(source or number), beside)
    return beside.rename(base / str(number))


@dataclass
class Running:
    """A server in its own process."""

    process: subprocess.Popen[str]
    grpc: str
    rest: str
    base: Path
    folder: Path

    def url(self, path: str) -> str:
        return f"http://{self.rest}{path}"

    def ended(self) -> int:
        """Sends SIGTERM and returns the exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def errors(self) -> str:
        return (self.folder / "stderr").read_text()


@contextlib.contextmanager
def running(base: Path, folder: Path, **options) -> Iterator[Running]:
    """Starts a server as another program would."""
    told = {
        "model_name": NAME,
        "model_base_path": str(base),
        "port": 0,
        "rest_api_port": 0,
        "poll_seconds": 0.05,
        **options,
    }
    command = [sys.executable, "-m", "trainyard.serving", json.dumps(told)]
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=dict(os.environ)
        )
    try:
        line = process.stdout.readline()
        if not line:
            raise AssertionError((folder / "stderr").read_text())
        started = json.loads(line)
        yield Running(process, started["grpc"], started["rest"], base, folder)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def server(saved, tmp_path_factory) -> Iterator[Running]:
    """One for the tests of a module; it serves versions 1 and 2."""
    folder = tmp_path_factory.mktemp("server")
    base = folder / "models"
    base.mkdir()
    for number in (1, 2):
        push(saved, base, number)
    with running(base, folder, max_request_bytes=1 << 20) as server:
        url = server.url(f"/v1/models/{NAME}/versions/1")
        while (
            requests.get(url, timeout=5).json()["model_version_status"][0]["state"] != "AVAILABLE"
        ):
            time.sleep(0.05)  # it answers as soon as one version is loaded
        yield server


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)
