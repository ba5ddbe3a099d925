"""A real server, or who promotes, is killed at the worst moment; the next one goes on rightly."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
import time

import pytest
import requests
import tensorflow as tf

from tests.serving.conftest import NAME, push, running
from tests.serving.test_warmup import predict_log
from trainyard.model_store import version_config
from trainyard.serving import request_log, warmup

pytestmark = pytest.mark.e2e

MODEL = f"/v1/models/{NAME}"


def answer(server, x=0.0, label="") -> float:
    """What a server answers; x / 2 and its version."""
    path = f"{MODEL}/labels/{label}:predict" if label else f"{MODEL}:predict"
    response = requests.post(server.url(path), json={"inputs": [x]}, timeout=10)
    assert response.status_code == 200, response.text
    return response.json()["outputs"][0]


def wait_for(server, version, seconds):
    deadline = time.monotonic() + seconds
    while answer(server) != version:
        assert time.monotonic() < deadline


def wait_until_loaded(server, *versions):
    for version in versions:
        url = server.url(f"{MODEL}/versions/{version}")
        while state(url) != "AVAILABLE":
            time.sleep(0.05)


def state(url):
    (status,) = requests.get(url, timeout=5).json().get("model_version_status", [{}])
    return status.get("state")


def files(folder):
    return {file.relative_to(folder) for file in folder.rglob("*")}


def test_a_kill_while_requests_are_logged(base, tmp_path):
    log = tmp_path / "log"
    asked = itertools.count()

    def ask(server):
        with requests.Session() as session:
            for number in asked:
                try:
                    url = server.url(f"{MODEL}:predict")
                    session.post(url, data=f'{{"inputs": [{number}]}}', timeout=10)
                except requests.RequestException:  # the server is dead
                    return

    options = {"log_folder": str(log), "log_sampling_rate": 1.0, "log_file_bytes": 4096}
    with running(base, tmp_path, **options) as server:
        clients = [threading.Thread(target=ask, args=[server]) for _ in range(4)]
        for client in clients:
            client.start()
        while len(list(log.glob("*.tfrecord"))) < 5:
            time.sleep(0.01)
        server.process.kill()
        for client in clients:
            client.join()
    left = list(log.glob("*.open"))
    for file in left:
        with file.open("ab") as torn:  # what a kill in the middle of a write leaves
            torn.write(b"\x40\0\0\0\0\0\0\0torn")
    with running(base, tmp_path, **options) as server:
        assert not {file for file in left if file.exists()}, "mended by the next server"
        assert answer(server, 1e6) == 5e5 + 1
        assert server.ended() == 0
    kept = [entry.predict_log for entry in request_log.read(log)]
    numbers = [entry.request.inputs["x"].float_val[0] for entry in kept]
    assert numbers[-1] == 1e6
    assert len(set(numbers)) == len(numbers) > 50
    assert [entry.response.outputs["y"].float_val[0] for entry in kept] == [
        number / 2 + 1 for number in numbers
    ]
    for file in log.iterdir():
        assert list(tf.data.TFRecordDataset([str(file)])), "whole"


def test_a_kill_while_a_version_is_loaded(saved, base, tmp_path):
    slow = push(saved, tmp_path, 2)
    logs = (predict_log("serving_default", number) for number in range(warmup.MAX_RECORDS))
    warmup.write(slow, logs)
    before = files(slow)
    with running(base, tmp_path) as server:
        slow.rename(base / "2")
        url = server.url(f"{MODEL}/versions/2")
        while state(url) != "LOADING":
            assert answer(server) == 1
        server.process.kill()
        server.process.wait()
    assert files(base / "2") == before
    with running(base, tmp_path) as server:
        assert answer(server) == 2
        assert server.ended() == 0


def promote_for_ever(base, ready):
    for version in itertools.cycle([1, 2]):
        version_config.label(base, {"stable": version, "canary": 3 - version})
        ready.set()


def test_kills_while_a_version_is_promoted(saved, base, tmp_path):
    push(saved, base, 2)
    processes = multiprocessing.get_context("fork")  # thirty starts of Python would take minutes
    with running(base, tmp_path) as server:
        for number in range(30):
            ready = processes.Event()
            promoting = processes.Process(target=promote_for_ever, args=[base, ready])
            promoting.start()
            assert ready.wait(10)
            time.sleep(0.002 * number)
            promoting.kill()
            promoting.join()
            labels = dict(version_config.read(base).version_labels)
            assert labels in ({"stable": 1, "canary": 2}, {"stable": 2, "canary": 1})
            assert answer(server) in (1, 2)
        wait_for(server, labels["stable"], seconds=1)
        server.process.kill()
        said = server.process.stdout.read()
    assert "labels are not changed" not in said, "the file was never read half"
    with running(base, tmp_path) as server:
        assert answer(server) == labels["stable"], "from the first answer on"
        wait_until_loaded(server, 1, 2)
        assert {label: answer(server, label=label) for label in labels} == labels
        assert server.ended() == 0
