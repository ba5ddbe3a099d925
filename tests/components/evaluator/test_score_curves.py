"""Areas are those of scikit-learn, whatever the scores, the pieces and the weights."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from sklearn.metrics import average_precision_score, roc_auc_score

from trainyard.components.evaluator import score_curves, vectorized
from trainyard.components.evaluator import tfma_private as private
from trainyard.components.evaluator.score_curves import ERROR, Buffer, Scores
from trainyard.errors import DataError


def measured(metric, scores, labels, weights=None, pieces=3):
    """What the Evaluator writes for these rows, by name."""
    config = tfma.EvalConfig(model_specs=[tfma.ModelSpec()])
    computations = private.stock._filter_and_separate_computations(
        metric.computations(eval_config=config, example_weighted=weights is not None)
    )
    (computation,) = computations.non_derived_computations
    found = vectorized.of(computation.combiner, 1)
    state = found.empty()
    weights = np.ones(len(labels)) if weights is None else weights
    for part in np.array_split(np.arange(len(labels)), pieces):
        columns = found.columns(labels[part], scores[part, np.newaxis], weights[part])
        state = found.add(state, columns)
    results = private.completed(found.result(state), computations.derived_computations, None)
    return {key.name: value for key, value in results.items()}


def areas(scores, labels, weights=None):
    return measured(score_curves.RocArea("auc"), scores, labels, weights) | measured(
        score_curves.AveragePrecision("ap"), scores, labels, weights
    )


def expected(scores, labels, weights=None):
    return {
        "auc": roc_auc_score(labels, scores, sample_weight=weights),
        "ap": average_precision_score(labels, scores, sample_weight=weights),
    }


def test_scores_close_to_one_are_told_apart():
    labels = np.arange(1000) % 2
    scores = (1 - 1e-5 + 5e-6 * labels).astype(np.float32)
    assert areas(scores, labels) == {"auc": 1.0, "ap": 1.0}  # TFMA's buckets: 0.5 and 0.5


def test_rare_positives():
    random = np.random.default_rng(3)
    labels = (np.arange(20000) % 500 == 0).astype(int)
    scores = (1e-4 * random.random(20000) * (1 + labels)).astype(np.float32)
    found = areas(scores, labels)
    assert found == pytest.approx(expected(scores, labels), abs=1e-12)
    assert found["auc"] > 0.6  # one bucket: 0.5


rows = st.integers(2, 60).flatmap(
    lambda count: st.tuples(
        arrays.arrays(
            np.float32,
            count,
            elements=st.one_of(st.floats(-2, 2, width=32), st.sampled_from([0.0, -0.0, 0.5, 1.0])),
        ),
        arrays.arrays(np.int64, count, elements=st.integers(0, 1)).filter(
            lambda labels: 0 < labels.sum() < len(labels)
        ),
        arrays.arrays(float, count, elements=st.floats(0.25, 4)),
    )
)


@given(rows, st.booleans())
@settings(max_examples=60, deadline=None)
def test_areas_are_those_of_scikit_learn(drawn, weighted):
    scores, labels, weights = drawn
    weights = weights if weighted else None
    found = areas(scores, labels, weights)
    assert found == pytest.approx(expected(scores, labels, weights), abs=1e-9)


@given(rows)
@settings(max_examples=30, deadline=None)
def test_one_example_at_a_time_gives_the_same(drawn):
    scores, labels, weights = drawn
    key = score_curves.metric_key("_scores", "", "", True)
    combiner = score_curves.ScoresCombiner(key, tfma.EvalConfig(model_specs=[tfma.ModelSpec()]))
    accumulators = [combiner.create_accumulator() for _ in range(2)]
    for index, (score, label, weight) in enumerate(zip(scores, labels, weights, strict=True)):
        inputs = tfma.metrics.StandardMetricInputs(
            label=np.array([label]), prediction=np.array([score]), example_weight=np.array([weight])
        )
        accumulators[index % 2] = combiner.add_input(accumulators[index % 2], inputs)
    merged = combiner.extract_output(combiner.merge_accumulators(accumulators))[key]
    assert merged.auc() == pytest.approx(expected(scores, labels, weights)["auc"], abs=1e-9)


@given(rows, st.sampled_from([2, 4, 16]))
@settings(max_examples=100, deadline=None)
def test_beyond_the_most_scores_the_error_is_within_its_bound(drawn, most):
    scores, labels, weights = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_curves, "MOST_SCORES", most)
        patch.setattr(score_curves, "_FEWEST_PENDING", 3)
        buffer = Buffer()
        for part in np.array_split(np.arange(len(labels)), 7):
            columns = score_curves.scored(labels[part], scores[part], weights[part])
            buffer.add(Scores.of_rows(*columns))
            assert len(buffer.scores().values) <= most + 1
        found = areas(scores, labels, weights)
    for name, exact in expected(scores, labels, weights).items():
        assert abs(found[name] - exact) <= found.get(f"{name}{ERROR}", 0.0) + 1e-9
        assert f"{name}{ERROR}" in found or len(np.unique(scores)) <= most + 1


def test_many_scores_joined_to_thousands_are_off_by_little(monkeypatch):
    monkeypatch.setattr(score_curves, "MOST_SCORES", 1 << 14)
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 1 << 18)
    scores = (1 / (1 + np.exp(-random.normal(labels, 1)))).astype(np.float32)
    found, exact = areas(scores, labels), expected(scores, labels)
    for name in exact:
        assert abs(found[name] - exact[name]) <= found[f"{name}{ERROR}"] < 1e-3


def test_curve_has_one_half_among_its_thresholds_and_counts_exactly():
    labels = np.array([0, 0, 1, 1, 1])
    scores = np.array([0.499, 0.4999, 0.5, 0.5001, 0.9], np.float32)
    (plot,) = measured(score_curves.CurvePlot("confusion"), scores, labels).values()
    (half,) = [matrix for matrix in plot.matrices if matrix.threshold == 0.5]
    counts = (half.true_negatives, half.false_positives, half.false_negatives, half.true_positives)
    assert counts == (2, 0, 1, 2)  # 0.5 itself is not above


def test_curve_of_scores_in_one_bucket_has_all_its_corners():
    labels = np.arange(300) % 2
    scores = (1e-6 * np.arange(300)).astype(np.float32)
    (plot,) = measured(score_curves.CurvePlot("confusion"), scores, labels).values()
    assert len(plot.matrices) > 290


@pytest.mark.parametrize(
    ("labels", "scores", "words"),
    [
        ([0, -1], [0.1, 0.2], "label that cannot be used"),
        ([0, 1], [0.1, np.nan], "predicts nan for 1 of 1 row"),
    ],
)
def test_what_cannot_be_ordered_is_refused(labels, scores, words):
    with pytest.raises(DataError, match=words):
        areas(np.array(scores, np.float32), np.array(labels))


def test_one_class_has_no_area():
    found = areas(np.array([0.1, 0.2], np.float32), np.array([0, 0]))
    assert np.isnan(list(found.values())).all()
