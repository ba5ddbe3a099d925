"""Where a report goes beside its file: Prometheus, and a webhook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import requests
from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trainyard.recipe_schema.secret_values import host
from trainyard.serving.monitor.report import MonitorReport

FILE = "metrics.prom"

_PREFIX = "trainyard_monitor"
_LABELS = ("recipe", "kind", "column", "slice")
_SECONDS = 10.0


class Gauges(Collector):
    """The newest report as Prometheus gauges.

    Args:
        newest: Returns it, or None while there is none.
    """

    def __init__(self, newest: Callable[[], MonitorReport | None]) -> None:
        self._newest = newest

    def collect(self) -> Iterable[Metric]:
        """Yields the gauges."""
        report = self._newest()
        if report is not None:
            yield from _of_report(report)
            yield from _of_measures(report)


def _of_report(report: MonitorReport) -> Iterable[Metric]:
    values = {
        "alarms": ("How many alarms the last look raised.", len(report.alarms)),
        "rows": ("Rows in the window.", report.rows),
        "labelled_rows": ("Rows in the window whose label is known.", report.labelled),
        "version": ("The version that is watched.", report.version),
        "last_look_timestamp_seconds": ("When the log was looked at.", report.at.timestamp()),
    }
    for name, (meaning, value) in values.items():
        gauge = GaugeMetricFamily(f"{_PREFIX}_{name}", meaning, labels=("recipe",))
        gauge.add_metric([report.recipe], value)
        yield gauge


def _of_measures(report: MonitorReport) -> Iterable[Metric]:
    fields = {
        "measured": "What was measured.",
        "threshold": "What the recipe allows.",
        "alarming": "1: an alarm, 0: none.",
    }
    for field, meaning in fields.items():
        gauge = GaugeMetricFamily(f"{_PREFIX}_{field}", meaning, labels=_LABELS)
        for each in report.measures:
            labels = [report.recipe, each.kind, each.column, each.slice]
            gauge.add_metric(labels, float(getattr(each, field)))
        yield gauge


def registry(newest: Callable[[], MonitorReport | None]) -> CollectorRegistry:
    """Returns a registry of nothing but the newest report.

    Args:
        newest: Returns it.
    """
    found = CollectorRegistry()
    found.register(Gauges(newest))
    return found


def write_gauges(report: MonitorReport, folder: Path) -> None:
    """Writes the gauges for node_exporter's textfile collector, whole.

    Args:
        report: What was found.
        folder: Where to.
    """
    write_to_textfile(str(folder / FILE), registry(lambda: report))


def post(report: MonitorReport, address: str) -> str:
    """Sends a report as JSON.

    Args:
        report: What was found.
        address: Where to.

    Returns:
        What went wrong, in a sentence that names only the host; empty if it arrived.
    """
    try:
        answer = requests.post(
            address,
            data=report.model_dump_json().encode(),
            headers={"Content-Type": "application/json"},
            timeout=_SECONDS,
        )
    except requests.RequestException as error:
        return f"the webhook of {host(address)} could not be reached: {type(error).__name__}"
    if not answer.ok:
        return f"the webhook of {host(address)} answered {answer.status_code} {answer.reason}"
    return ""
