"""Histograms of one column in all splits, on one axis, so that what differs is seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from tensorflow_metadata.proto.v0 import statistics_pb2

from trainyard.pipeline.measured import number
from trainyard.pipeline.report import marks

BARS = 10
_STANDARD = statistics_pb2.Histogram.HistogramType.STANDARD


def of_splits(features: Mapping[str, Any], name: str) -> dict[str, Markup]:
    """Draws a column's values in each split: shares of its values, with the same axes for all.

    Args:
        features: TFDV's statistics of the column, by split.
        name: The column's name.
    """
    if all(feature.HasField("num_stats") for feature in features.values()):
        low, high = _ends(features)
        counts = {s: _numeric(standard(feature), low, high) for s, feature in features.items()}
        where = f", from {number(low)} to {number(high)}" if low <= high else ""
    else:
        counts, where = _of_values(features), ""
    shares = {s: [count / (sum(of) or 1.0) for count in of] for s, of in counts.items()}
    most = max((share for of in shares.values() for share in of), default=0.0)
    return {
        split: marks.histogram(of, f"{split}: {name}{where}", apart=not where, most=most)
        for split, of in shares.items()
    }


def standard(feature: Any) -> Sequence[Any]:
    """The buckets of a number's histogram, of equal width; empty without values."""
    for histogram in feature.num_stats.histograms:
        if histogram.type == _STANDARD:
            return list(histogram.buckets)
    return []


def _ends(features: Mapping[str, Any]) -> tuple[float, float]:
    """The least and the greatest value of all splits; infinite if there is none."""
    buckets = [bucket for feature in features.values() for bucket in standard(feature)]
    ends = [end for each in buckets for end in (each.low_value, each.high_value)]
    finite = [end for end in ends if math.isfinite(end)]
    return min(finite, default=math.inf), max(finite, default=-math.inf)


def _numeric(buckets: Sequence[Any], low: float, high: float) -> list[float]:
    """Counts by bars of equal width from low to high; a bucket's values are spread evenly in it."""
    edges = np.linspace(low, high, BARS + 1) if low < high else np.array([low, low])
    counts = np.zeros(len(edges) - 1)
    for bucket in buckets:
        start, end = max(bucket.low_value, low), min(bucket.high_value, high)
        if start < end:
            within = np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, None)
            counts += bucket.sample_count * within / (end - start)
        elif start == end:  # all of its values are the same
            bar = int(np.searchsorted(edges, start, side="right")) - 1
            counts[min(max(bar, 0), len(counts) - 1)] += bucket.sample_count
    return [float(count) for count in counts]


def _of_values(features: Mapping[str, Any]) -> dict[str, list[float]]:
    """Counts of the values that are the most frequent ones in the first split that has any."""
    counts = {
        split: {each.label: each.sample_count for each in _ranks(feature)}
        for split, feature in features.items()
    }
    values = list(dict.fromkeys(value for of in counts.values() for value in of))[:BARS]
    return {split: [of.get(value, 0.0) for value in values] for split, of in counts.items()}


def _ranks(feature: Any) -> Sequence[Any]:
    return list(feature.string_stats.rank_histogram.buckets)
