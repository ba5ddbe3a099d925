from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.serving.conftest import NAME
from trainyard.serving import methods, request_log
from trainyard.serving.metrics import Metrics
from trainyard.serving.options import Options
from trainyard.serving.request_log import RequestLog


def options(folder, **changes):
    told = {"log_sampling_rate": 1.0, "log_file_bytes": 4096, **changes}
    return Options(model_name=NAME, model_base_path=folder, **told)


def asked(number):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = NAME
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([float(number)]))
    response = predict_pb2.PredictResponse()
    response.model_spec.name, response.model_spec.version.value = NAME, 3
    response.outputs["y"].CopyFrom(tf.make_tensor_proto([float(number)]))
    return methods.PREDICT, request, response


def numbers(folder, **since):
    logs = request_log.read(folder, **since)
    return [int(log.predict_log.request.inputs["x"].float_val[0]) for log in logs]


def test_requests_and_answers_are_kept_in_whole_files(tmp_path):
    log = RequestLog(tmp_path, options(tmp_path), Metrics())
    for number in range(200):
        log.offer(*asked(number))
    log.close()
    files = list(tmp_path.iterdir())
    assert len(files) > 3
    assert {"".join(file.suffixes) for file in files} == {".tfrecord"}
    assert numbers(tmp_path) == list(range(200))
    (first, *_) = request_log.read(tmp_path)
    assert first.log_metadata.model_spec.version.value == 3
    assert first.log_metadata.sampling_config.sampling_rate == 1
    assert abs(first.log_metadata.timestamp_secs - time.time()) < 60
    assert first.predict_log.response.outputs["y"].float_val == [0]


def test_a_share_is_kept(tmp_path):
    log = RequestLog(tmp_path, options(tmp_path, log_sampling_rate=0.3), Metrics())
    for number in range(900):
        log.offer(*asked(number))
        time.sleep(0) if number % 100 else time.sleep(0.02)
    log.close()
    assert 180 < len(numbers(tmp_path)) < 360  # 270 expected; 6.5 standard deviations


def test_the_oldest_files_go_when_there_are_too_many(tmp_path):
    log = RequestLog(tmp_path, options(tmp_path, log_total_bytes=12_000), Metrics())
    for number in range(500):
        log.offer(*asked(number))
    log.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 12_000
    kept = numbers(tmp_path)
    assert kept == list(range(kept[0], 500))


def test_a_full_queue_drops_and_never_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "_MAX_QUEUED", 10)
    metrics = Metrics()
    log = RequestLog(tmp_path, options(tmp_path), metrics)
    monkeypatch.setattr(request_log, "_record", lambda *_: time.sleep(0.05) or b"")
    started = time.monotonic()
    for number in range(100):
        log.offer(*asked(number))
    assert time.monotonic() - started < 0.1
    assert metrics.log_records.labels("dropped")._value.get() > 80
    log.close()


def test_an_old_file_is_closed_though_it_is_small(tmp_path):
    log = RequestLog(tmp_path, options(tmp_path, log_file_seconds=0.1), Metrics())
    log.offer(*asked(1))
    deadline = time.monotonic() + 5
    while not list(tmp_path.glob("*.tfrecord")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert numbers(tmp_path) == [1]
    log.close()


def test_only_what_is_new_enough_is_read(tmp_path):
    log = RequestLog(tmp_path, options(tmp_path), Metrics())
    log.offer(*asked(1))
    log.close()
    assert numbers(tmp_path, since=time.time() - 60) == [1]
    assert numbers(tmp_path, since=time.time() + 60) == []


def write_for_ever(folder):
    log = RequestLog(folder, options(folder, log_file_bytes=1 << 20), Metrics())
    number = 0
    while True:
        log.offer(*asked(number))
        number += 1
        if number % 50 == 0:
            time.sleep(0.005)


@pytest.mark.e2e
def test_a_kill_leaves_no_torn_record(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tests.serving import test_request_log as t; "
        "print('ready', flush=True); t.write_for_ever(Path(sys.argv[1]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=dict(os.environ)
    )
    process.stdout.readline()
    time.sleep(1.5)  # time for more than one file
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for file in tmp_path.glob("*.open"):  # as a kill in the middle of a write leaves it
        with file.open("ab") as torn:
            torn.write(b"\x10\0\0\0\0\0\0\0torn")
    before = numbers(tmp_path)
    assert before
    assert before == sorted(set(before))
    RequestLog(tmp_path, options(tmp_path), Metrics()).close()  # the next server mends
    assert not list(tmp_path.glob("*.open"))
    assert numbers(tmp_path) == before
    for file in tmp_path.glob("*.tfrecord"):
        assert list(tf.data.TFRecordDataset([str(file)]))


def test_a_running_servers_file_is_left_alone(tmp_path):
    first = RequestLog(tmp_path, options(tmp_path), Metrics())
    first.offer(*asked(1))
    deadline = time.monotonic() + 5
    while not numbers(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert request_log.left_open(tmp_path) == []
    first.close()
    assert numbers(tmp_path) == [1]


def test_a_dead_servers_file_is_mended_whatever_its_number(tmp_path):
    first = RequestLog(tmp_path / "first", options(tmp_path), Metrics())
    first.offer(*asked(1))
    deadline = time.monotonic() + 5
    while not numbers(tmp_path / "first") and time.monotonic() < deadline:
        time.sleep(0.1)
    (left,) = (tmp_path / "first").glob("*.open")
    next_folder = tmp_path / "next"  # in a container the next server has the same number
    next_folder.mkdir()
    (next_folder / left.name).write_bytes(left.read_bytes())
    assert request_log.left_open(next_folder) == [next_folder / left.name]
    RequestLog(next_folder, options(tmp_path), Metrics()).close()
    assert not list(next_folder.glob("*.open"))
    assert numbers(next_folder) == [1]
    first.close()
