from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.serving.monitor.conftest import columns
from trainyard.serving.monitor import comparisons
from trainyard.serving.monitor.reference import Builder
from trainyard.serving.monitor.rows import Rows


def compared(reference, window):
    return {(each.column, each.kind): each for each in comparisons.of_columns(reference, window)}


def test_a_number_that_moved_is_noticed_by_every_distance(reference, chance):
    found = compared(reference, columns(chance, 500, moved=0.5))
    assert found["fare", "ks"].measured > 0.15
    assert found["fare", "psi"].measured > 0.2
    assert found["fare", "js"].measured > 0.02
    assert found["fare", "ks"].p_value < 1e-6
    assert found["hour", "linf"].p_value > 1e-3
    assert found["kind", "linf"].p_value > 1e-3
    assert "median" in found["fare", "ks"].detail


def test_a_share_that_moved_is_noticed_and_named(reference, chance):
    found = compared(reference, columns(chance, 500, cards=0.8))
    assert found["kind", "linf"].measured == pytest.approx(0.3, abs=0.06)
    assert found["kind", "linf"].p_value < 1e-6
    assert found["kind", "linf"].detail.startswith(("'card': ", "'cash': "))


def test_missing_values_and_new_ones_are_counted(reference, chance):
    found = compared(reference, columns(chance, 500, missing=0.1, new=0.04))
    assert found["fare", "missing"].beyond == pytest.approx(0.1, abs=0.04)
    assert found["fare", "missing"].p_value < 1e-6
    assert found["kind", "new_categories"].measured == pytest.approx(0.04, abs=0.025)
    assert found["kind", "new_categories"].p_value < 1e-6
    assert "'voucher'" in found["kind", "new_categories"].detail


def test_numbers_beyond_what_training_had_are_counted(reference, chance):
    window = columns(chance, 200)
    far = [*window["fare"].to_pylist()[:190], *[1e6] * 10]
    found = compared(reference, {**window, "fare": pa.array(far, pa.float32())})
    assert found["fare", "out_of_range"].measured == pytest.approx(0.05)
    assert found["fare", "out_of_range"].p_value < 1e-6


def test_new_values_where_every_value_is_rare_are_no_news(chance):
    builder = Builder({"id": "category"}, 1000)
    builder.trained_on({"id": pa.array(chance.integers(0, 10**9, 2000))})
    window = {"id": pa.array(chance.integers(0, 10**9, 300))}
    found = compared(builder.reference(), window)
    assert found["id", "new_categories"].measured > 0.99
    assert found["id", "new_categories"].beyond < 0.01
    assert found["id", "new_categories"].p_value > 0.1


def test_columns_that_are_not_there_or_not_wanted_are_left_out(reference, chance):
    window = columns(chance, 100)
    del window["hour"]
    found = comparisons.of_columns(reference, window, ignored=["fare"])
    assert {each.column for each in found} == {"kind"}
    assert list(comparisons.of_columns(reference, {})) == []


def test_a_column_without_a_value_is_missing_and_nothing_else(reference, chance):
    window = {**columns(chance, 100), "fare": pa.nulls(100, pa.float32())}
    found = [each for each in comparisons.of_columns(reference, window) if each.column == "fare"]
    assert [(each.kind, each.measured) for each in found] == [("missing", 1.0)]


def test_only_answers_that_count_are_compared(chance):
    before = Rows({}, {"": chance.beta(2, 5, (500, 1))}, np.ones(500, bool))
    answers = np.concatenate([chance.beta(2, 5, (300, 1)), np.ones((300, 1))])
    counted = np.arange(600) < 300
    (same,) = comparisons.of_answers(before, Rows({}, {"": answers}, counted))
    assert (same.kind, same.column) == ("prediction", "predictions")
    assert same.p_value > 1e-3
    (other,) = comparisons.of_answers(before, Rows({}, {"": answers}, ~counted))
    assert other.p_value < 1e-9
    assert list(comparisons.of_answers(before, Rows({}, {"": answers}, np.zeros(600, bool)))) == []
