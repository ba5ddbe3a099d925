"""The quick histogram and TFDV's own are the same, whatever the quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from tensorflow_data_validation.utils import quantiles_util

from trainyard.components.statistics_gen import standard_histogram, tfdv_combiners


def columns() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(1)
    return {
        "smooth": draw.normal(size=5000),
        "float32": draw.normal(size=100).astype(np.float32),
        "few values": draw.integers(0, 7, 3000).astype(float),
        "many zeros": np.where(draw.random(1000) < 0.9, 0, draw.exponential(1e6, 1000)),
        "most at the end": np.where(draw.random(1000) < 0.9, 5.0, draw.random(1000)),
        "two values": np.array([1.0, 2.0]),
        "values on the edges": np.arange(11.0),
        "huge": np.array([-(2.0**63), 0.0, 2.0**63]),
    }


@pytest.mark.parametrize("name", columns())
@pytest.mark.parametrize("buckets", [1, 10, 37])
@pytest.mark.parametrize("steps", [10, 1000])
def test_heights_are_those_of_tfdv(name, buckets, steps):
    column = np.sort(columns()[name])
    cumulative = np.ceil(np.linspace(1, len(column), steps + 1)).astype(int)
    quantiles = column[cumulative - 1]
    low, high = column[0], column[-1]
    expected = quantiles_util.generate_equi_width_histogram(
        quantiles, cumulative, low, high, buckets, 0
    ).buckets
    edges = np.linspace(low, high, buckets + 1)
    found = standard_histogram.heights(quantiles, cumulative, edges)
    assert found == pytest.approx([bucket.sample_count for bucket in expected], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "column", [[1.0], [2.0, 2.0], [-np.inf, 1, 2, np.inf], [-np.inf, np.inf], [1, 2, 3, 4]]
)
def test_the_whole_message_with_infinities(column):
    values = np.array(column, float)
    finite = values[np.isfinite(values)]
    cumulative = np.arange(1.0, len(values) + 1)
    arguments = {
        "quantiles": values,
        "cumulative_counts": cumulative,
        "finite_min": finite.min(initial=np.inf),
        "finite_max": finite.max(initial=-np.inf),
        "num_buckets": 3,
        "num_pos_inf": float(np.isposinf(values).sum()),
    }
    expected = quantiles_util.generate_equi_width_histogram(**arguments)
    assert tfdv_combiners._equi_width_histogram(**arguments) == expected


def test_tfdv_has_its_own_function_back():
    before = quantiles_util.generate_equi_width_histogram
    with pytest.raises(RuntimeError), tfdv_combiners._quick_histograms():
        assert quantiles_util.generate_equi_width_histogram is not before
        raise RuntimeError
    assert quantiles_util.generate_equi_width_histogram is before
