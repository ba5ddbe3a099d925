"""Population stability and Jensen-Shannon: what they see, and that they see nothing in chance."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.recipe_schema import Monitor
from trainyard.serving.monitor import bins, comparisons, two_samples
from trainyard.serving.monitor.reference import Builder

LIMITS = Monitor()


@pytest.fixture
def chance():
    return np.random.default_rng(17)


def flags(ones: int, rows: int) -> np.ndarray:
    return np.repeat([0, 1], [rows - ones, ones])


def psi(reference, window) -> float:
    return two_samples.stability(bins.of_numbers(np.asarray(reference), np.asarray(window)).table)


def js(reference, window) -> float:
    return two_samples.divergence(bins.of_numbers(np.asarray(reference), np.asarray(window)).table)


def plain_psi(before: list[float], now: list[float]) -> float:
    pairs = [(max(p, 1e-4), max(q, 1e-4)) for p, q in zip(before, now, strict=True) if p or q]
    return sum((q - p) * math.log(q / p) for p, q in pairs)


def plain_js(before: list[float], now: list[float]) -> float:
    total = 0.0
    for p, q in zip(before, now, strict=True):
        total += sum(x * math.log2(x / ((p + q) / 2)) / 2 for x in (p, q) if x)
    return total


tables = st.integers(1, 6).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 200), min_size=n, max_size=n)] * 2)
)


@given(tables.filter(lambda table: all(map(sum, table))))
def test_both_are_what_they_are_by_definition(table):
    shares = [[count / sum(side) for count in side] for side in table]
    counted = np.array(table)
    assert two_samples.stability(counted) == pytest.approx(plain_psi(*shares), abs=1e-9)
    assert two_samples.divergence(counted) == pytest.approx(plain_js(*shares), abs=1e-9)
    assert two_samples.divergence(counted[::-1]) == pytest.approx(two_samples.divergence(counted))
    assert 0 <= two_samples.divergence(counted) <= 1 + 1e-9
    assert two_samples.stability(counted[[0, 0]]) == 0 == two_samples.divergence(counted[[0, 0]])


numbers = st.lists(
    st.sampled_from([0.0, 0.0, 1.0, 2.5, -3.0]) | st.floats(-100, 100, width=32),
    min_size=1,
    max_size=80,
)


@given(numbers, numbers)
def test_every_row_is_in_a_bin_and_what_is_narrow_is_a_value(reference, window):
    table, names = bins.of_numbers(np.array(reference), np.array(window))
    assert table.shape == (2, len(names))
    assert table.sum(axis=1).tolist() == [len(reference), len(window)]
    for value, count in Counter(reference).items():
        if count > 1 and count >= len(reference) / min(
            10, max(1, min(len(reference), len(window)) // 5)
        ):
            assert [count, window.count(value)] in table.T.tolist()


@given(
    st.dictionaries(st.integers(-50, 50) | st.binary(max_size=2), st.integers(0, 300), min_size=1),
    st.dictionaries(st.integers(-50, 50) | st.binary(max_size=2), st.integers(1, 300), min_size=1),
)
def test_every_category_is_in_a_bin(reference, window):
    table, names = bins.of_categories(reference, window)
    assert table.shape == (2, len(names))
    assert table.sum(axis=1).tolist() == [sum(reference.values()), sum(window.values())]


def test_tenths_of_a_number_without_masses():
    # Ten equal bins; the window has all rows in the upper five.
    reference, window = np.arange(1000.0), np.arange(500.0, 1000.0)
    table, names = bins.of_numbers(reference, window)
    assert table.tolist() == [[100] * 10, [0] * 5 + [100] * 5]
    assert names[0] == "below 99.9"
    assert psi(reference, window) == pytest.approx(plain_psi([0.1] * 10, [0.0] * 5 + [0.2] * 5))


def test_a_rare_flag_that_becomes_frequent():
    reference, window = flags(60, 20_000), flags(80, 1000)  # 0.3 % to 8 %: this was 0
    shares = [0.997, 0.003], [0.92, 0.08]
    assert psi(reference, window) == pytest.approx(plain_psi(*shares))
    assert js(reference, window) == pytest.approx(plain_js(*shares))
    assert psi(reference, window) > LIMITS.psi


@pytest.mark.parametrize("measure", [psi, js])
def test_the_more_a_flag_moves_the_farther(measure):
    found = [measure(flags(60, 20_000), flags(ones, 1000)) for ones in range(3, 1001)]
    assert np.all(np.diff(found) > 0)
    assert found[0] == pytest.approx(0, abs=1e-12)


def zero_inflated(chance, rows: int, zeros: float = 0.95, scale: float = 1.0) -> np.ndarray:
    there = chance.random(rows) >= zeros
    return np.where(there, chance.lognormal(3, 1, rows) * scale, 0).astype(np.float32)


def test_zeros_that_become_fewer(chance):
    before = zero_inflated(chance, 20_000)
    assert psi(before, zero_inflated(chance, 1000, zeros=0.8)) > LIMITS.psi
    assert js(before, zero_inflated(chance, 1000, zeros=0.6)) > LIMITS.js
    assert psi(before, zero_inflated(chance, 1000)) < 0.05


def test_what_is_no_zero_moves(chance):
    # One row in twenty; all the others are 0, and so are all deciles.
    moved = zero_inflated(chance, 1000, scale=20)
    assert psi(zero_inflated(chance, 20_000), moved) > LIMITS.psi


def test_all_the_mass_moves_inside_what_would_be_one_bin_of_equal_width(chance):
    # One in 100 is a thousand times as large: of ten equal widths the first has all others.
    before = np.where(np.arange(20_000) % 100, chance.uniform(1, 2, 20_000), 1000.0)
    now = np.where(np.arange(1000) % 100, chance.uniform(1.0, 1.4, 1000), 1000.0)
    assert js(before, now) > LIMITS.js
    assert psi(before, now) > LIMITS.psi


def test_a_constant_begins_to_vary(chance):
    constant = np.full(5000, 7.0)
    assert psi(constant, constant[:10]) == 0
    assert psi(constant, np.where(np.arange(1000) % 10, 7.0, chance.normal(7, 1, 1000))) > 0.2
    assert psi(np.zeros(10), np.ones(5)) > 10
    assert js(np.zeros(10), np.ones(5)) == 1


def alarming(kind: str, before: pa.Array, now: pa.Array) -> set[str]:
    builder = Builder({"x": kind}, 20_000)
    builder.trained_on({"x": before})
    found = comparisons.of_columns(builder.reference(), {"x": now})
    return {each.kind for each in found if each.beyond > getattr(LIMITS, each.kind)
            and (each.p_value is None or each.p_value < 1e-3)}  # fmt: skip


@pytest.mark.parametrize("kind", ["number", "category"])
@pytest.mark.parametrize("rows", [300, 1000])
def test_a_rare_flag_alarms_as_a_number_and_as_a_category(kind, rows):
    now = flags(round(0.08 * rows), rows)
    assert "psi" in alarming(kind, pa.array(flags(60, 20_000)), pa.array(now))


def test_a_value_of_thousands_that_becomes_frequent(chance):
    ids = chance.integers(0, 5000, 20_000)
    now = np.where(np.arange(1000) % 12, chance.integers(0, 5000, 1000), 4321)
    assert "psi" in alarming("category", pa.array(ids), pa.array(now))


def test_thousands_of_values_of_which_a_hundred_are_left(chance):
    ids = chance.integers(0, 5000, 20_000)
    now = chance.choice(chance.integers(0, 5000, 100), 1000)
    assert "psi" in alarming("category", pa.array(ids), pa.array(now))


def test_values_missing_that_never_were():
    before = pa.array(np.arange(1000.0))
    now = pa.array([None] * 80 + [float(i) for i in range(1000)])
    assert alarming("number", before, now) == {"missing"}


def test_an_alarm_names_what_moved():
    builder = Builder({"x": "number"}, 20_000)
    builder.trained_on({"x": pa.array(flags(60, 20_000))})
    found = comparisons.of_columns(builder.reference(), {"x": pa.array(flags(80, 1000))})
    (detail,) = {each.detail for each in found if each.kind == "psi"}
    assert detail in ("0: 99.7% of the rows, now 92.0%", "1: 0.3% of the rows, now 8.0%")


def test_the_names_of_bins():
    _, names = bins.of_numbers(np.repeat([0.0, 1.0, 2.0, 3.0], [64, 2, 2, 32]), np.zeros(100))
    assert names == ["below 0", "0", "above 0 to 3", "3", "above 3"]
    _, names = bins.of_numbers(np.arange(51.0), np.zeros(50))
    assert (names[0], names[1], names[-1]) == ("below 5", "5 to 10", "45 and more")


DRAWS = {
    "flag": lambda chance, n: (chance.random(n) < 0.003).astype(float),
    "zeros": zero_inflated,
    "counts": lambda chance, n: chance.geometric(0.5, n).astype(float),
    "fares": lambda chance, n: chance.gamma(2, 5, n),
    "rounded": lambda chance, n: chance.gamma(2, 5, n).round(),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("rows", [300, 1000])
def test_chance_alone_is_no_drift(chance, name, rows):
    p_values, beyond = [], 0
    for _ in range(300):
        counted = bins.of_numbers(DRAWS[name](chance, 3000), DRAWS[name](chance, rows))
        p_values.append(two_samples.homogeneity(counted.table))
        beyond += p_values[-1] <= 0.01 and two_samples.stability(counted.table) > LIMITS.psi
    assert np.mean(np.array(p_values) <= 0.05) < 0.09
    assert beyond == 0


@pytest.mark.parametrize("values", [60, 5000])
def test_chance_alone_is_no_drift_of_categories(chance, values):
    shares = 1 / np.arange(1, values + 1)
    shares /= shares.sum()
    found = []
    for _ in range(60):
        sides = [Counter(chance.choice(values, n, p=shares).tolist()) for n in (20_000, 300)]
        found.append(two_samples.stability(bins.of_categories(*sides).table))
    assert np.mean(found) < LIMITS.psi
