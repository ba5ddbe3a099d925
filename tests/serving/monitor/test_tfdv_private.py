"""Fails loudly when TFDV's interface, public or not, is another one."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pytest

from trainyard.serving.monitor import tfdv_private


def test_the_version_is_the_one_that_was_read():
    assert version("tensorflow-data-validation") == "1.16.1"


def test_l_infinity_is_the_largest_change_of_a_share():
    before = {"kind": pa.array([b"a"] * 50 + [b"b"] * 50), "hour": pa.array([1] * 80 + [2] * 20)}
    now = {"kind": pa.array([b"a"] * 10 + [b"c"] * 10), "hour": pa.array([1] * 4 + [2] * 16)}
    found = tfdv_private.distances(before, now, {"kind": "category", "hour": "category"})
    assert found == pytest.approx({"kind": 0.5, "hour": 0.6}, abs=1e-6)


def test_jensen_shannon_is_0_for_the_same_and_1_for_what_has_nothing_in_common():
    low, high = (pa.array(np.linspace(s, s + 1, 500, dtype=np.float32)) for s in (0, 5))
    kinds = {"x": "number"}
    assert tfdv_private.distances({"x": low}, {"x": low}, kinds)["x"] == pytest.approx(0, abs=1e-6)
    assert tfdv_private.distances({"x": low}, {"x": high}, kinds)["x"] == pytest.approx(1, abs=0.02)


def test_a_column_without_values_has_no_distance_and_harms_no_other():
    columns = {"x": pa.array([1.0, 2.0], pa.float32()), "none": pa.nulls(2, pa.float32())}
    found = tfdv_private.distances(columns, columns, {"x": "number", "none": "number"})
    assert found["x"] == pytest.approx(0, abs=1e-6)
    assert not found.get("none")


def test_an_outlier_does_not_decide_how_far_two_samples_are_apart():
    chance = np.random.default_rng(3)
    before, now = (chance.gamma(2.0, 5.0, size).astype(np.float32) for size in (5000, 1000))
    before[0] = 2000.0
    found = tfdv_private.distances(
        {"fare": pa.array(before)}, {"fare": pa.array(now)}, {"fare": "number"}
    )
    assert found["fare"] < 0.01
    moved = {"fare": pa.array(now * np.float32(2))}
    assert (
        tfdv_private.distances({"fare": pa.array(before)}, moved, {"fare": "number"})["fare"] > 0.1
    )
