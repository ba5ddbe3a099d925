"""What the server says of itself: how long answers take, and how many requests fail.

The request log has answers only, so failures are known from the server's metrics alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import requests
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, Field, ValidationError
from scipy import stats

from trainyard.files import write_whole
from trainyard.recipe_schema import Monitor
from trainyard.serving.metrics import PATH
from trainyard.serving.monitor.comparisons import Comparison
from trainyard.wording import counted

FILE = "server.json"

_COUNT = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency_bucket"
_NOT_FAILED = frozenset({"OK", "CANCELLED"})  # a client that left
_SLOW = 0.01
_SECONDS = 5.0


class Counters(BaseModel):
    """A server's counters, which only grow while it lives.

    Attributes:
        statuses: Requests by how they ended.
        microseconds: Requests by the bucket's upper end; `inf` of the last.
    """

    statuses: dict[str, float] = Field(default_factory=dict)
    microseconds: dict[str, float] = Field(default_factory=dict)

    def since(self, before: Counters) -> Counters:
        """Returns what was added; all if the server was started anew."""
        counts, earlier = self._flat(), before._flat()
        if any(counts.get(key, 0) < value for key, value in earlier.items()):
            return self
        return Counters(
            statuses=_less(self.statuses, before.statuses),
            microseconds=_less(self.microseconds, before.microseconds),
        )

    def _flat(self) -> dict[str, float]:
        return {**self.statuses, **self.microseconds}


def _less(now: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {key: value - before.get(key, 0) for key, value in now.items()}


def read(address: str, model: str) -> Counters | None:
    """Asks a server; None if none answers.

    Args:
        address: Such as `http://127.0.0.1:8501`.
        model: Whose requests count.
    """
    try:
        answer = requests.get(address.rstrip("/") + PATH, timeout=_SECONDS)
        answer.raise_for_status()
        return parsed(answer.text, model)
    except (requests.RequestException, ValueError):
        return None


def parsed(page: str, model: str) -> Counters:
    """Reads a page of Prometheus' text format.

    Args:
        page: The metrics of `trainyard serve` or of TensorFlow Serving.
        model: Whose requests count.
    """
    counters = Counters()
    samples = (s for family in text_string_to_metric_families(page) for s in family.samples)
    for sample in samples:
        if sample.labels.get("model_name") != model:
            continue
        if sample.name == _COUNT:
            _add(counters.statuses, sample.labels["status"], sample.value)
        elif sample.name == _LATENCY:
            _add(counters.microseconds, str(float(sample.labels["le"])), sample.value)
    return counters


def _add(counts: dict[str, float], key: str, value: float) -> None:
    counts[key] = counts.get(key, 0) + value


def since_last_look(now: Counters, folder: Path) -> Counters:
    """Returns what was added since this was called before, and remembers.

    Args:
        now: The counters.
        folder: The recipe's monitor folder.
    """
    file = folder / FILE
    try:
        before = Counters.model_validate_json(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):
        before = Counters()
    write_whole(file, now.model_dump_json())
    return now.since(before)


def comparisons(counters: Counters, settings: Monitor) -> Iterator[Comparison]:
    """Holds the counters against the recipe.

    Args:
        counters: Of the requests that count.
        settings: The recipe's; a p-value says how likely so many requests fail, or are slow, if
            in the long run no more do than are allowed.
    """
    total = int(sum(counters.statuses.values()))
    failed = int(sum(n for status, n in counters.statuses.items() if status not in _NOT_FAILED))
    if total and settings.error_rate is not None:
        worst = max(counters.statuses, key=lambda s: (s not in _NOT_FAILED, counters.statuses[s]))
        yield Comparison(
            "error_rate",
            failed / total,
            failed / total,
            p_value=_more(failed, total, settings.error_rate),
            detail=f"{failed:,} of {counted(total, 'request')}, most of them {worst}",
        )
    ends, counts = _cumulative(counters)
    if len(counts) and counts[-1] and settings.latency_ms is not None:
        slow = int(counts[-1] - np.interp(settings.latency_ms * 1e3, ends, counts))
        quantile = float(np.interp((1 - _SLOW) * counts[-1], counts, ends) / 1e3)
        p_value = _more(slow, int(counts[-1]), _SLOW)
        detail = f"{slow:,} of {counted(int(counts[-1]), 'answer')} took longer than allowed"
        yield Comparison("latency_ms", quantile, quantile, p_value=p_value, detail=detail)


def _more(count: int, rows: int, share: float) -> float:
    return float(stats.binomtest(count, rows, min(1.0, share), alternative="greater").pvalue)


def _cumulative(counters: Counters) -> tuple[Any, Any]:
    """Finite ends of the buckets, and how many answers took no longer; 0 first."""
    buckets = sorted((float(end), count) for end, count in counters.microseconds.items())
    if not buckets:
        return np.zeros(0), np.zeros(0)
    *within, (_, total) = buckets
    ends = np.array([0.0, *(end for end, _ in within)])
    # What is slower than all buckets counts as a bucket further on.
    ends = np.append(ends, ends[-1] * 1.8)
    return ends, np.array([0.0, *(count for _, count in within), total])
