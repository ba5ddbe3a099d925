"""Buckets of equal size, and of a frequent value's own: no column loses what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard.trainer_modules.harness import buckets


def ids(values: np.ndarray, count: int = 10) -> np.ndarray:
    """Each value's bucket, with exact quantiles in place of Transform's."""
    shares = np.arange(1, 1000) / 1000
    exact = np.quantile(values, shares, method="inverted_cdf").astype(np.float32)
    chosen = buckets._spread(exact, count)
    return np.searchsorted(chosen, values.astype(np.float32), side="right")


def zero_inflated(zeros: float, rows: int = 10_000) -> np.ndarray:
    random = np.random.default_rng(7)
    return np.where(random.random(rows) < zeros, 0, random.lognormal(8, 1, rows))


@pytest.mark.parametrize("zeros", [0.9, 0.92, 0.97, 0.995])
def test_zeros_are_one_bucket_and_the_others_are_spread(zeros: float) -> None:
    values = zero_inflated(zeros)

    found = ids(values)

    assert set(found[values == 0]) == {0}
    assert 0 not in found[values > 0]
    counts = np.bincount(found)[1:]
    assert len(counts) == pytest.approx(9, abs=4 if zeros > 0.99 else 0)
    assert counts.max() < 2.5 * np.median(counts)


def test_rare_values_that_no_quantile_sees_are_apart_too() -> None:
    values = np.where(np.arange(100_000) % 5_000 == 0, 7.5, 0.0)

    assert len(set(ids(values)[values > 0]) | {0}) == 2


def test_what_only_the_large_values_say_reaches_a_linear_model() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    values = zero_inflated(0.92)
    answer = values > 3_000

    one_hot = np.eye(20)[ids(values)]
    model = LogisticRegression().fit(one_hot[:5_000], answer[:5_000])

    assert roc_auc_score(answer[5_000:], model.decision_function(one_hot[5_000:])) > 0.97


def test_without_frequent_values_they_are_plain_quantiles() -> None:
    values = np.random.default_rng(3).normal(size=10_000)

    assert np.bincount(ids(values)) == pytest.approx(np.full(10, 1000), abs=11)


@given(
    frequent=st.sampled_from([-1e30, -999.0, -1.0, 0.0, 0.1, 1.0, 9999.0, 1e30]),
    share=st.floats(0.15, 0.98),
    count=st.integers(2, 30),
)
@settings(max_examples=50, deadline=None)
def test_a_frequent_value_is_alone(frequent: float, share: float, count: int) -> None:
    random = np.random.default_rng(1)
    others = np.round(random.normal(0, 1000, 5_000), 2)
    values = np.where(random.random(5_000) < max(share, 1.5 / count), frequent, others)
    values = values.astype(np.float32).astype(float)

    found = ids(values, count)

    mine = values == np.float32(frequent)
    (bucket,) = set(found[mine])
    assert not (found[~mine] == bucket).any()
    assert (np.diff(found[np.argsort(values)]) >= 0).all()
