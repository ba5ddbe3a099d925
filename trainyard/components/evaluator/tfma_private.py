"""All that we use of TFMA beyond its public face. Pinned to tensorflow-model-analysis 0.47.1.

`tests/components/evaluator/test_tfma_private.py` fails when any of it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.contrib.aggregates import binary_confusion_matrices as aggregates
from tensorflow_model_analysis.evaluators import (
    metrics_plots_and_validations_evaluator as stock,
)
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.metrics import (
    binary_confusion_matrices,
    calibration,
    calibration_histogram,
    example_count,
    metric_specs,
    metric_types,
    multi_class_confusion_matrix_metrics,
)
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.writers import (
    eval_config_writer,
)
from tensorflow_model_analysis.writers import (
    metrics_plots_and_validations_writer as writer,
)

VERSION = "0.47.1"

CalibrationHistogram = calibration_histogram._CalibrationHistogramCombiner
ConfusionMatrix = binary_confusion_matrices._BinaryConfusionMatrixCombiner
ClassConfusionMatrix = multi_class_confusion_matrix_metrics._MultiClassConfusionMatrixCombiner
ExampleCount = example_count._ExampleCountCombiner
Totals = calibration._WeightedLabelsPredictionsExamplesCombiner

Metrics = dict[Any, Any]

_stock_validate = metrics_validator.validate_metrics


def validate_metrics(sliced_metrics: Any, eval_config: Any) -> Any:
    """As TFMA's. A Beam worker that looks this up imports what makes slices exact, below."""
    return _stock_validate(sliced_metrics, eval_config)


class CombineValidations(writer.CombineValidations):  # type: ignore[misc]  # TFMA is not typed
    """As TFMA's, and found here for the same reason."""


# TFMA reads numbers in the values of slices and of thresholds: a bound on the slice "5" would be
# checked on "05" too, and be held by it where "5" has too few rows. Ours are texts already.
slicer_lib._to_type = lambda value: value
metrics_validator.validate_metrics = validate_metrics
writer.CombineValidations = CombineValidations


def computations(eval_config: Any) -> Any:
    """What TFMA computes for a configuration, each thing once.

    Args:
        eval_config: A `tfma.EvalConfig` with its defaults filled in.

    Returns:
        `non_derived_computations`, `derived_computations` and two kinds that we have not got,
        in the order in which TFMA runs them.
    """
    asked = metric_specs.to_computations(list(eval_config.metrics_specs), eval_config=eval_config)
    return stock._filter_and_separate_computations(asked)


def only_standard_inputs(computation: Any) -> bool:
    """Whether a computation reads labels, predictions and weights as they are."""
    return all(
        type(preprocessor) is metric_types.StandardMetricInputsPreprocessor
        for preprocessor in computation.preprocessors or ()
    )


def completed(metrics: Metrics, derived: Iterable[Any], baseline: str | None) -> Metrics:
    """Adds derived metrics, then differences to the baseline, and drops what is private.

    These are local functions of TFMA's `_AddDerivedCrossSliceAndDiffMetrics`, written again.

    Args:
        metrics: Results of the combiners, by key.
        derived: TFMA's derived computations, in its order.
        baseline: The baseline's name in the configuration, if there is one.
    """
    for computation in derived:
        metrics.update(computation.result(metrics))
    if baseline:
        metrics.update(_differences(metrics, baseline))
    return dict(stock._remove_private_metrics((), metrics)[1])


def _differences(metrics: Metrics, baseline: str) -> Metrics:
    return {
        key.make_diff_key(): value - metrics[key.make_baseline_key(baseline)]
        for key, value in metrics.items()
        if not stock._is_private_metrics(key)
        and not key.is_diff
        and key.model_name != baseline
        and key.make_baseline_key(baseline) in metrics
        and stock._is_metric_diffable(value)
    }


def histogram(buckets: Iterable[tuple[int, float, float, float]]) -> dict[int, Any]:
    """The accumulator of `CalibrationHistogram`.

    Args:
        buckets: Number, sum of labels, sum of predictions, examples.
    """
    return {bucket[0]: calibration_histogram.Bucket(*bucket) for bucket in buckets}


def confusion(matrices: Mapping[float, tuple[float, float, float, float]]) -> dict[float, Any]:
    """The accumulator of `ConfusionMatrix`.

    Args:
        matrices: By threshold, true and false positives and negatives as tp, tn, fp, fn.
    """
    return {
        threshold: aggregates._ThresholdEntry(aggregates.Matrix(*matrix), [], [], [], [])
        for threshold, matrix in matrices.items()
    }


def class_confusion(threshold: float, counts: Mapping[tuple[int, int], float]) -> Any:
    """The accumulator of `ClassConfusionMatrix`.

    Args:
        threshold: What the most probable class must exceed.
        counts: By actual and predicted class.
    """
    entry = multi_class_confusion_matrix_metrics.MatrixEntryKey
    matrices = multi_class_confusion_matrix_metrics.Matrices()
    matrices[threshold] = {entry(*classes): count for classes, count in counts.items()}
    return matrices


def totals(labels: float, predictions: float, examples: float) -> Any:
    """The accumulator of `Totals`."""
    accumulator = calibration._WeightedLabelsPredictionsExamples()
    accumulator.total_weighted_labels = labels
    accumulator.total_weighted_predictions = predictions
    accumulator.total_weighted_examples = examples
    return accumulator


def records(key: Any, metrics: Metrics) -> dict[str, Any]:
    """The protos that TFMA's writer would write for a slice.

    Args:
        key: The slice.
        metrics: Metrics and plots by key.

    Returns:
        By the name of the file.
    """
    of_kind = {
        kind: stock._filter_by_key_type((key, metrics), key_type)
        for kind, key_type in (
            (tfma.METRICS_KEY, metric_types.MetricKey),
            (tfma.PLOTS_KEY, metric_types.PlotKey),
            (tfma.ATTRIBUTIONS_KEY, metric_types.AttributionsKey),
        )
    }
    return {
        tfma.METRICS_KEY: writer.convert_slice_metrics_to_proto(of_kind[tfma.METRICS_KEY], None),
        tfma.PLOTS_KEY: writer.convert_slice_plots_to_proto(of_kind[tfma.PLOTS_KEY], None),
        tfma.ATTRIBUTIONS_KEY: writer.convert_slice_attributions_to_proto(
            of_kind[tfma.ATTRIBUTIONS_KEY]
        ),
    }


def validation(sliced: Iterable[tuple[Any, Metrics]], eval_config: Any) -> Any:
    """Checks the thresholds of all slices.

    Args:
        sliced: Slices and their metrics and plots.
        eval_config: The configuration with its defaults filled in.

    Returns:
        A `ValidationResult`.
    """
    combiner = CombineValidations(eval_config)
    total = combiner.create_accumulator()
    for part in sliced:
        metrics = stock._filter_by_key_type(part, metric_types.MetricKey)
        total = combiner.add_input(total, validate_metrics(metrics, eval_config))
    return combiner.extract_output(total)


def serialized_run(eval_config: Any, model_locations: dict[str, str]) -> str:
    """What stands in `eval_config.json`."""
    return str(
        eval_config_writer._serialize_eval_run(
            eval_config, "<user provided PCollection>", "<unknown>", model_locations
        )
    )
