"""Columns give what TFMA's combiners give one example at a time."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from trainyard.components.evaluator import exact_metrics, vectorized
from trainyard.components.evaluator import tfma_private as private
from trainyard.errors import DataError

METRICS = {
    "one output": [
        tfma.metrics.ExampleCount(),
        tfma.metrics.Calibration(),
        tfma.metrics.Precision(name="p"),
        tfma.metrics.ConfusionMatrixAtThresholds(thresholds=[0.25, 0.5, 0.75], name="c"),
        tfma.metrics.AUC(name="auc"),
        tfma.metrics.CalibrationPlot(num_buckets=10, left=0.25, right=0.75),
        exact_metrics.SquaredError("mse"),
        exact_metrics.LogLoss(),
        exact_metrics.ResidualSample(size=7),
    ],
    "an output a class": [
        tfma.metrics.MultiClassConfusionMatrixPlot(),
        tfma.metrics.MultiClassConfusionMatrixPlot(thresholds=[0.5]),
        exact_metrics.LogLoss(),
    ],
}
CASES = [(kind, metric) for kind, metrics in METRICS.items() for metric in metrics]


def rows(kind: str, fractional: bool = False):
    random = np.random.default_rng(0)
    if kind == "one output":
        labels = random.integers(0, 2, 60).astype(np.float32)
        if fractional:
            labels[:5] = 0.3
        predictions = random.random((60, 1)).astype(np.float32)
        predictions[:6, 0] = [0, 1, 0.5, 0.25, 1.5, -0.5]  # edges of buckets and beyond
        return labels, predictions
    return random.integers(-1, 3, 60), random.dirichlet([1, 1, 1], 60).astype(np.float32)


def combiners(metric, weighted=False):
    config = tfma.EvalConfig(model_specs=[tfma.ModelSpec()])
    separated = private.stock._filter_and_separate_computations(
        metric.computations(eval_config=config, example_weighted=weighted)
    )
    return [computation.combiner for computation in separated.non_derived_computations], separated


def one_by_one(combiner, labels, predictions, weights):
    if isinstance(combiner, exact_metrics.RowsCombiner):
        combiner.TOGETHER = 7
    state = combiner.create_accumulator()
    for label, prediction, weight in zip(labels, predictions, weights, strict=True):
        inputs = tfma.metrics.StandardMetricInputs(
            label=np.array([label]), prediction=prediction, example_weight=np.array([weight])
        )
        state = combiner.add_input(state, inputs)
    return combiner.extract_output(state)


def in_two_pieces(combiner, labels, predictions, weights):
    found = vectorized.of(combiner, predictions.shape[1])
    assert found is not None, combiner
    state, counted = found.empty(), weights if found.weighted else np.ones(len(labels))
    for piece in (slice(0, 40), slice(40, None)):
        columns = found.columns(labels[piece], predictions[piece], counted[piece])
        state = found.add(state, columns)
    return found.result(state)


def numbers(value):
    if isinstance(value, private.calibration._WeightedLabelsPredictionsExamples):
        return [getattr(value, name) for name in value.__slots__]
    if isinstance(value, list) and value and hasattr(value[0], "bucket_id"):
        return [number for bucket in value for number in vars(bucket).values()]
    if isinstance(value, bytes):
        import json

        return sorted(map(tuple, json.loads(value)))
    if isinstance(value, dict):
        return [
            (key, numbers(entry)) for key, entry in sorted(value.items(), key=lambda item: item[0])
        ]
    if hasattr(value, "matrix"):
        return list(value.matrix)
    return value


def flat(value):
    if isinstance(value, list | tuple):
        return [number for entry in value for number in flat(entry)]
    return [float(value)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize(("kind", "metric"), CASES)
def test_a_combiner_is_matched(kind, metric, fractional, weighted):
    labels, predictions = rows(kind, fractional)
    weights = np.arange(60) % 4 / 2  # some of them 0
    found, _ = combiners(metric, weighted)
    for combiner in found:
        expected = one_by_one(combiner, labels, predictions, weights)
        given = in_two_pieces(combiner, labels, predictions, weights)
        assert given.keys() == expected.keys()
        for key, value in expected.items():
            assert flat(numbers(given[key])) == pytest.approx(flat(numbers(value)), abs=1e-6)


@pytest.mark.parametrize(
    "metric",
    [
        tfma.metrics.AUC(class_id=1, name="auc"),
        tfma.metrics.MultiClassConfusionMatrixPlot(thresholds=[0.2, 0.5]),
        tfma.metrics.MultiClassConfusionMatrixPlot(num_thresholds=4),
    ],
)
def test_options_without_columns_are_not_matched(metric):
    found, _ = combiners(metric)
    outputs = 3 if "MultiClass" in type(metric).__name__ else 1
    assert None in [vectorized.of(combiner, outputs) for combiner in found]


def test_buckets_of_the_label_are_not_matched():
    (computation,) = private.calibration_histogram.calibration_histogram(
        prediction_based_bucketing=False
    )
    assert vectorized.of(computation.combiner, 1) is None


def test_a_metric_of_one_output_is_not_matched_for_a_model_of_many():
    (combiner, *_), _ = combiners(tfma.metrics.Calibration())
    assert vectorized.of(combiner, 3) is None


def test_a_prediction_that_is_no_number_is_an_error():
    (combiner, *_), _ = combiners(tfma.metrics.AUC(name="auc"))
    with pytest.raises(DataError, match="predicts nan for 1 of 2 rows"):
        predictions = np.array([[0.5], [np.nan]])
        vectorized.of(combiner, 1).columns(np.array([0, 1]), predictions, np.ones(2))


def test_labels_that_differ_by_little_beside_their_size_are_judged_by_what_they_are():
    labels = 1_700_000_000 + np.arange(-20.0, 21.0)
    predictions = np.full((41, 1), 1.7e9, np.float32)
    mean_error = exact_metrics.AbsoluteError("mae")
    (combiner,), separated = combiners(mean_error)
    for judge in (one_by_one, in_two_pieces):
        metrics = dict(judge(combiner, labels, predictions, np.ones(41)))
        for derived in separated.derived_computations:
            metrics |= derived.result(metrics)
        assert [v for k, v in metrics.items() if k.name == "mae"] == [420 / 41]
