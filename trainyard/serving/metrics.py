"""Prometheus metrics, called as TensorFlow Serving calls its own where it has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

PATH = "/monitoring/prometheus/metrics"

# Microseconds: scale 10, power 1.8, 33 buckets, as TensorFlow Serving's.
_LATENCY = [10 * 1.8**power for power in range(32)]
_POWERS_OF_TWO = [2**power for power in range(15)]


class _Counts(Collector):
    """A counter under its plain name: prometheus_client's own would end in `_total`."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...]) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._counts: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def add(self, *values: str) -> None:
        self._counts[values] += 1

    def collect(self) -> Iterable[Metric]:
        metric = Metric(self._name, self._documentation, "unknown")
        for values, count in list(self._counts.items()):
            metric.add_sample(self._name, dict(zip(self._labels, values, strict=True)), count)
        return [metric]


class Metrics:
    """One server's metrics.

    Args:
        waiting: Tells how many requests are in the queues.
    """

    def __init__(self, waiting: Callable[[], int] = lambda: 0) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.request_count = self._counts(
            "request_count", "The total number of requests.", ("model_name", "status")
        )
        self.version_requests = self._register(
            _Counts(
                "trainyard_serving_version_request_count",
                "The number of requests that reached a version, by outcome.",
                ("version", "status"),
            )
        )
        self.request_latency = self._histogram(
            ":tensorflow:serving:request_latency",
            "Distribution of wall time (in microseconds) for a request.",
            _LATENCY,
            ("model_name", "API", "entrypoint"),
        )
        self.runtime_latency = self._histogram(
            ":tensorflow:serving:runtime_latency",
            "Distribution of wall time (in microseconds) for the model, its queue included.",
            _LATENCY,
            ("model_name", "API"),
        )
        self.request_example_counts = self._histogram(
            ":tensorflow:serving:request_example_counts",
            "The number of rows per request.",
            _POWERS_OF_TWO,
            ("model",),
        )
        self.batch_rows = self._histogram(
            "trainyard_serving_batch_rows", "The number of rows per batch.", _POWERS_OF_TWO
        )
        self.load_attempts = self._counts(
            "load_attempt_count",
            "Versions loaded, by outcome.",
            ("model_path", "status"),
            "cc:saved_model",
        )
        self.log_records = Counter(
            "trainyard_serving_log_records",
            "Sampled requests, by whether they were logged or dropped.",
            ["outcome"],
            registry=self.registry,
        )
        self.served_version = Gauge(
            "trainyard_serving_default_version",
            "The version that answers requests which name none.",
            registry=self.registry,
        )
        Gauge(
            "trainyard_serving_waiting_requests", "Requests in the queues.", registry=self.registry
        ).set_function(waiting)

    def _counts(
        self, name: str, documentation: str, labels: tuple[str, ...], group: str = "serving"
    ) -> _Counts:
        return self._register(_Counts(f":tensorflow:{group}:{name}", documentation, labels))

    def _register(self, counts: _Counts) -> _Counts:
        self.registry.register(counts)
        return counts

    def _histogram(
        self, name: str, documentation: str, buckets: Iterable[float], labels: tuple[str, ...] = ()
    ) -> Histogram:
        return Histogram(
            name, documentation, labels, buckets=tuple(buckets), registry=self.registry
        )

    @cache  # noqa: B019  # one for a server's life; looking labels up takes longer than counting
    def latencies(self, model: str, api: str, entrypoint: str) -> Histogram:
        """Returns `request_latency` for its labels."""
        return self.request_latency.labels(model, api, entrypoint)

    @cache  # noqa: B019
    def runtime(self, model: str, api: str) -> Histogram:
        """Returns `runtime_latency` for its labels."""
        return self.runtime_latency.labels(model, api)

    def page(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return prometheus_client.generate_latest(self.registry)
