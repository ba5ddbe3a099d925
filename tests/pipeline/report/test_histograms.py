"""The splits' histograms have one axis; a bound is drawn on the metric's own range."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from tensorflow_data_validation.statistics import stats_impl

from trainyard.pipeline.records import Finding
from trainyard.pipeline.report import histograms, marks


def feature(values):
    batch = pa.RecordBatch.from_arrays([pa.array([[value] for value in values])], ["x"])
    return stats_impl.generate_statistics_in_memory(batch).datasets[0].features[0]


def heights(picture):
    return [float(height) for height in re.findall(r'<rect [^>]*height="([\d.]+)"', picture)]


def drawn(**splits):
    pictures = histograms.of_splits({n: feature(values) for n, values in splits.items()}, "x")
    return {name: heights(picture) for name, picture in pictures.items()}


def test_a_split_of_other_numbers_is_drawn_beside_them():
    found = drawn(train=np.arange(1000.0), test=np.arange(500.0, 600.0))
    assert len(found["train"]) == len(found["test"]) == histograms.BARS
    assert found["test"][5] == 24  # the highest bar: one tenth of the axis has all of it
    assert sum(height > 0.1 for height in found["test"]) == 1
    assert found["train"] == pytest.approx([2.4] * 10, abs=0.1)  # a tenth of the rows each


def test_a_constant_split_has_one_bar_where_its_value_is():
    found = drawn(train=[0.0, 10.0] * 50, test=[9.9] * 10)
    assert [height > 0 for height in found["test"]] == [False] * 9 + [True]


def test_texts_stand_in_one_order_in_all_splits():
    found = drawn(train=["a"] * 30 + ["b"] * 10, test=["b"] * 30 + ["a"] * 10 + ["c"] * 5)
    assert found["train"] == pytest.approx([24, 8, 0], abs=0.01)
    a, b, c = found["test"]
    assert (a / b, c / b) == pytest.approx((1 / 3, 1 / 6), rel=0.01)


def test_a_column_without_values_has_no_bars():
    assert drawn(train=[float("nan")] * 3) == {"train": [0.0]}


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [(0, 1, (0, 1)), (0, float("inf"), (0, 0.95)), (-float("inf"), 1, (0.85, 1))],
)
def test_what_is_required_and_measured_is_drawn_on_the_metrics_range(low, high, ends):
    finding = Finding(metric="auc", slice="all rows", value=0.87, bound="", low=0.93, ok=False)
    scale = marks.Scale.of_findings([finding], low, high)
    assert (scale.low, scale.high) == pytest.approx(ends, abs=0.02)
