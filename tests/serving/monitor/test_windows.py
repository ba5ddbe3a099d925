"""On a real request log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tensorflow_serving.apis import predict_pb2

from tests.serving.monitor.test_requests import LAYOUT
from trainyard.errors import DataError
from trainyard.recipe_schema import Monitor
from trainyard.serving import methods, request_log, tensors
from trainyard.serving.metrics import Metrics
from trainyard.serving.monitor import windows
from trainyard.serving.options import Options
from trainyard.serving.request_log import RequestLog

NOW = datetime.now(UTC)


def write(folder, count, *, model="taxi", start=0, rows=2, ago=0.0, monkeypatch=None):
    """Logs requests of some rows each whose fares are 0, 1, 2, ..."""
    told = Options(model_name=model, model_base_path=folder, log_sampling_rate=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_log.time, "time", lambda: NOW.timestamp() - ago)
        log = RequestLog(folder, told, Metrics())
        for number in range(start, start + count * rows, rows):
            log.offer(methods.PREDICT, *asked(model, np.arange(number, number + rows)))
        log.close()


def asked(model, numbers):
    request, response = predict_pb2.PredictRequest(), predict_pb2.PredictResponse()
    response.model_spec.name, response.model_spec.version.value = model, 3
    given = {
        "fare": numbers.astype(np.float32),
        "hour": numbers % 24,
        "kind_of": np.full(len(numbers), b"card", object),
    }
    for name, values in given.items():
        tensors.to_proto(values, request.inputs[name])
    answers = np.full((len(numbers), 1), 0.5, np.float32)
    tensors.to_proto(answers, response.outputs["predictions"])
    return request, response


def read(folder, window="24h", **others):
    settings = Monitor(window=window, sample=others.pop("sample", 1000))
    return windows.read(folder, "taxi", settings, LAYOUT, now=NOW, **others)


def fares(traffic):
    return sorted(traffic.rows.columns["fare"].to_pylist())


def test_a_window_of_time(tmp_path):
    write(tmp_path, 5, ago=7200)
    write(tmp_path, 3, start=100)
    traffic = read(tmp_path, "1h")
    assert (traffic.count, fares(traffic)) == (6, [100, 101, 102, 103, 104, 105])
    assert traffic.rows.known.all()
    assert abs(traffic.window.since - NOW) < timedelta(seconds=2)
    assert (read(tmp_path, "3h").count, traffic.window.asked) == (16, "1h")


def test_a_window_of_rows_has_whole_requests(tmp_path):
    write(tmp_path, 10)
    write(tmp_path, 2, model="other", start=500)
    assert fares(read(tmp_path, 4)) == [16, 17, 18, 19]
    assert fares(read(tmp_path, 3)) == [16, 17, 18, 19]
    assert read(tmp_path, 10_000).count == 20


def test_a_sample_stays_of_a_large_window_and_only_that_is_prepared(tmp_path):
    write(tmp_path, 300, rows=10)
    prepared = 0

    def counted(rows):
        nonlocal prepared
        prepared += len(rows)
        return rows.with_columns({"fare": rows.columns["fare"]})

    traffic = read(tmp_path, sample=100, prepared=counted)
    assert (traffic.count, len(traffic.rows), list(traffic.rows.columns)) == (3000, 100, ["fare"])
    assert prepared == 3000  # one block: nothing is known yet that could not stay


def test_nothing_logged(tmp_path):
    with pytest.raises(DataError, match="no requests have been logged yet"):
        read(tmp_path / "never")


def test_nothing_of_this_model(tmp_path):
    write(tmp_path, 2, model="other")
    with pytest.raises(DataError, match="of another model") as caught:
        read(tmp_path)
    assert (caught.value.expected, caught.value.received) == ("taxi", "other")
    with pytest.raises(DataError, match="of another model"):
        read(tmp_path, 10)


def test_nothing_in_the_window(tmp_path):
    write(tmp_path, 2, ago=7200)
    with pytest.raises(DataError, match="in the last 1h") as caught:
        read(tmp_path, "1h")
    assert f"{NOW - timedelta(hours=2):%Y-%m-%d %H:%M}" in caught.value.received


def test_nothing_that_is_understood(tmp_path):
    told = Options(model_name="taxi", model_base_path=tmp_path, log_sampling_rate=1.0)
    log = RequestLog(tmp_path, told, Metrics())
    request, response = asked("taxi", np.arange(3))
    del request.inputs["fare"]
    log.offer(methods.PREDICT, request, response)
    log.close()
    with pytest.raises(DataError, match="3 rows in the window ask for other columns"):
        read(tmp_path)
