import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from trainyard import exact_curves

ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.5, 1 - 1e-7, 1 - 1e-8, 1.0]) | st.floats(0, 1),
        st.booleans(),
        st.integers(0, 3) | st.floats(0.01, 100),
    ),
    min_size=1,
    max_size=40,
)


def table(rows):
    scores, labels, weights = (np.array(column, float) for column in zip(*rows, strict=True))
    return scores, labels, weights


@given(ROWS)
def test_both_areas_are_those_of_scikit_learn_with_ties_and_weights(rows):
    scores, labels, weights = table(rows)
    positive, negative = (weights * labels).sum(), (weights * (1 - labels)).sum()
    if positive and negative:
        expected = roc_auc_score(labels, scores, sample_weight=weights)
        assert exact_curves.auc(scores, labels, weights) == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan(exact_curves.auc(scores, labels, weights))
    if positive:
        expected = average_precision_score(labels, scores, sample_weight=weights)
        found = exact_curves.average_precision(scores, labels, weights)
        assert found == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan(exact_curves.average_precision(scores, labels, weights))


@given(ROWS, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    for area in (exact_curves.auc, exact_curves.average_precision):
        assert area(*table(shuffled)) == pytest.approx(area(*table(rows)), abs=1e-12, nan_ok=True)


def test_rare_positives_with_scores_close_to_one_are_told_apart():
    negatives = 1 - np.linspace(2e-6, 3e-6, 1000)
    scores, labels = np.append(negatives, 1 - 1e-6), np.append(np.zeros(1000), 1)
    assert exact_curves.auc(scores, labels) == 1.0  # 200 or 10,000 equal buckets: 0.5
    assert exact_curves.average_precision(scores, labels) == 1.0


def test_a_weight_counts_as_so_many_rows():
    scores, labels, weights = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]), [1, 3, 2, 4]
    repeated = np.repeat(scores, weights), np.repeat(labels, weights)
    for area in (exact_curves.auc, exact_curves.average_precision):
        assert area(scores, labels, weights) == pytest.approx(area(*repeated), abs=1e-15)


def test_a_score_that_is_no_number_has_no_area():
    assert np.isnan(exact_curves.auc([0.1, np.nan], [0, 1]))
    assert np.isnan(exact_curves.average_precision([0.1, np.nan], [0, 1]))
