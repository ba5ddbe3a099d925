from __future__ import annotations

import pytest

from trainyard.recipe_schema import Monitor
from trainyard.serving.metrics import Metrics
from trainyard.serving.monitor import server_metrics
from trainyard.serving.monitor.server_metrics import Counters


def answered(metrics, count, status="OK", milliseconds=2.0, model="taxi"):
    for _ in range(count):
        metrics.request_count.add(model, status)
        metrics.latencies(model, "Predict", "GRPC").observe(milliseconds * 1e3)


def found(metrics, **settings):
    counters = server_metrics.parsed(metrics.page().decode(), "taxi")
    compared = server_metrics.comparisons(counters, Monitor(**settings))
    return {each.kind: each for each in compared}


def test_a_healthy_server_is_far_from_its_limits():
    metrics = Metrics()
    answered(metrics, 500)
    answered(metrics, 300, "UNAVAILABLE", 5000, model="other")
    now = found(metrics)
    assert now["error_rate"].measured == 0
    assert 1 < now["latency_ms"].measured < 4
    assert now["latency_ms"].p_value > 0.1


def test_failures_and_slow_answers_are_noticed_but_not_a_client_that_left():
    metrics = Metrics()
    answered(metrics, 400, milliseconds=3000)
    answered(metrics, 60, "UNAVAILABLE")
    answered(metrics, 40, "CANCELLED")
    now = found(metrics)
    assert now["error_rate"].measured == pytest.approx(60 / 500)
    assert now["error_rate"].p_value < 1e-9
    assert "most of them UNAVAILABLE" in now["error_rate"].detail
    assert now["latency_ms"].measured > 1000
    assert now["latency_ms"].p_value < 1e-9


def test_one_failure_of_a_few_is_no_alarm():
    metrics = Metrics()
    answered(metrics, 20)
    answered(metrics, 1, "INTERNAL")
    assert found(metrics)["error_rate"].p_value > 0.05


def test_what_has_no_threshold_or_no_request_is_not_measured():
    assert found(Metrics()) == {}
    metrics = Metrics()
    answered(metrics, 5)
    assert found(metrics, error_rate=None, latency_ms=None) == {}


def test_only_what_was_added_since_the_last_look_counts(tmp_path):
    metrics = Metrics()
    answered(metrics, 100, "UNAVAILABLE")

    def look():
        counters = server_metrics.parsed(metrics.page().decode(), "taxi")
        return server_metrics.since_last_look(counters, tmp_path)

    assert look().statuses == {"UNAVAILABLE": 100}
    answered(metrics, 30)
    assert look().statuses == {"UNAVAILABLE": 0, "OK": 30}
    metrics = Metrics()  # a server that was started anew
    answered(metrics, 7)
    assert look().statuses == {"OK": 7}
    (tmp_path / server_metrics.FILE).write_text("torn")
    assert look().statuses == {"OK": 7}


def test_slower_than_all_buckets_is_still_slow():
    ends = {"10.0": 0.0, "inf": 50.0}
    (latency,) = server_metrics.comparisons(Counters(microseconds=ends), Monitor(latency_ms=0.009))
    assert latency.p_value < 1e-9


def test_no_server_is_none():
    assert server_metrics.read("http://127.0.0.1:9", "taxi") is None
