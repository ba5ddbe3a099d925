from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from trainyard.serving.monitor import two_samples


@pytest.fixture
def chance():
    return np.random.default_rng(5)


def counted(values):
    return Counter(values.tolist())


def test_numbers_that_moved_are_apart(chance):
    reference, window = chance.normal(size=2000), chance.normal(1.0, size=300)
    apart = two_samples.numbers(reference, window)
    # Two normal distributions a deviation apart: 2 * Phi(1/2) - 1.
    assert apart.distance == pytest.approx(2 * stats.norm.cdf(0.5) - 1, abs=0.05)
    assert apart.p_value < 1e-6
    assert two_samples.numbers(reference, reference[:0]) == (0.0, 1.0)


def test_shares_that_moved_are_apart():
    apart = two_samples.categories({"a": 500, "b": 500}, {"a": 80, "b": 10, "new": 10})
    assert apart.distance == pytest.approx(0.4)
    assert apart.p_value < 1e-6
    assert two_samples.categories({}, {"a": 3}) == (0.0, 1.0)


def test_a_window_of_new_values_only_is_noticed(chance):
    reference = counted(chance.integers(0, 50, 20_000))
    apart = two_samples.categories(reference, {f"new {i}": 1 for i in range(100)})
    assert apart.distance > 0.015
    assert apart.p_value < 1e-6


def test_chance_alone_gives_small_p_values_no_more_often_than_they_say(chance):
    # Many rare values and few rows: where chi-squared is at its worst.
    shares = 1 / np.arange(1, 60)
    shares /= shares.sum()
    values = []
    for _ in range(400):
        sides = (chance.choice(59, size, p=shares) for size in (5000, 300))
        values.append(two_samples.categories(*map(counted, sides)).p_value)
    assert np.mean(np.array(values) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_what_is_tested_together_is_counted_once():
    # Fewer than two values that are frequent enough: nothing to tell apart.
    assert two_samples.homogeneity(np.array([[100, 1], [10, 0]])) == 1.0
    assert two_samples.homogeneity(np.array([[900, 100], [50, 50]])) < 1e-9


def test_more_often_is_one_sided():
    assert two_samples.more_often(20, 100, 5, 1000) < 1e-9
    assert two_samples.more_often(0, 100, 500, 1000) == pytest.approx(1.0)
    assert two_samples.another_share(0, 100, 500, 1000) < 1e-9


def test_holm_corrects_for_the_number_of_tests():
    assert two_samples.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert two_samples.holm([]) == []
    assert two_samples.holm([0.9, 0.5]) == [1.0, 1.0]
