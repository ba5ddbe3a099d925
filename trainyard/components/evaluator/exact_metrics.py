"""Metrics that TFMA lacks, or computes inexactly, as TFMA metrics.

TFMA 0.47's own mean absolute error, mean squared error and cross-entropy count
their first accumulator twice when they merge several (`result = next(iter(...))`
does not consume a list), so their value depends on how Beam cuts the data. Its
Keras metrics count in float32: 18 right of 20 is 0.89999998, below a threshold
of 0.9. The ones here are float64 and merge exactly.

Loaded by TFMA from the dotted name in `MetricConfig.module`; importing this file
imports TFMA.
"""

from __future__ import annotations

import functools
import heapq
import json
import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics.multi_class_confusion_matrix_metrics import (
    multi_class_confusion_matrices,
)

RESIDUAL_SAMPLE_SIZE = 500
SMALLEST_PROBABILITY = 1e-15


class Moments(NamedTuple):
    """What the error metrics need to know of any number of examples.

    Attributes:
        examples: How many, each by its weight.
        mean: Mean label.
        deviations: Weighted sum of the labels' squared deviations from their mean.
        absolute: Weighted sum of |prediction - label|.
        squared: Weighted sum of (prediction - label)².
    """

    examples: float = 0.0
    mean: float = 0.0
    deviations: float = 0.0
    absolute: float = 0.0
    squared: float = 0.0

    def merged(self, other: Moments) -> Moments:
        """Joins the moments of disjoint sets of examples.

        By Chan, Golub and LeVeque's update (1979), which stays accurate where the
        labels' mean is large beside their spread.
        """
        count = self.examples + other.examples
        if not count:
            return self
        apart, share = other.mean - self.mean, other.examples / count
        return Moments(
            count,
            self.mean + apart * share,
            self.deviations + other.deviations + apart * apart * self.examples * share,
            self.absolute + other.absolute,
            self.squared + other.squared,
        )


class KeyedCombiner(beam.CombineFn):  # type: ignore[misc]
    """Whatever its accumulator holds is the value of one of TFMA's metrics.

    Args:
        key: The metric's.
        eval_config: The `tfma.EvalConfig`.
    """

    def __init__(self, key: Any, eval_config: Any) -> None:
        self._key = key
        self._eval_config = eval_config

    def extract_output(self, accumulator: Any) -> dict[Any, Any]:
        """Returns the accumulator, by key."""
        return {self._key: accumulator}


class Pending(NamedTuple):
    """The accumulator of a `RowsCombiner`.

    Attributes:
        state: What has been made of the rows before.
        rows: Those that have not been added to it.
    """

    state: Any
    rows: list[Any]


class RowsCombiner(KeyedCombiner):
    """Takes rows one at a time, as TFMA has them, and adds them up many at a time.

    numpy needs as long for one row as for hundreds.
    """

    TOGETHER = 1024

    def rows(self, element: Any) -> Iterable[Any]:
        """Returns what is kept of the rows of an element until they are added.

        If not overridden: label, prediction and weight, as `stacked` takes them.
        """
        return triples(element, self._key, self._eval_config, flatten=False)

    def empty(self) -> Any:
        """The state before any row."""
        raise NotImplementedError

    def add(self, state: Any, rows: list[Any]) -> Any:
        """Returns the state with rows added, of which there is at least one."""
        raise NotImplementedError

    def merged(self, states: Iterable[Any]) -> Any:
        """Joins the states of disjoint sets of rows."""
        raise NotImplementedError

    def create_accumulator(self) -> Pending:
        """No row."""
        return Pending(self.empty(), [])

    def add_input(self, accumulator: Pending, element: Any) -> Pending:
        """Adds an element's rows."""
        accumulator.rows.extend(self.rows(element))
        return accumulator if len(accumulator.rows) < self.TOGETHER else self.compact(accumulator)

    def compact(self, accumulator: Pending) -> Pending:
        """Leaves no row to be added."""
        state, rows = accumulator
        return Pending(self.add(state, rows) if rows else state, [])

    def merge_accumulators(self, accumulators: Iterable[Pending]) -> Pending:
        """Joins accumulators."""
        return Pending(self.merged(self.compact(each).state for each in accumulators), [])

    def extract_output(self, accumulator: Pending) -> dict[Any, Any]:
        """Returns the state with all rows, by key."""
        return {self._key: self.compact(accumulator).state}


class _MomentsCombiner(KeyedCombiner):
    def create_accumulator(self) -> Moments:
        return Moments()

    def add_input(self, accumulator: Moments, element: Any) -> Moments:
        for label, prediction, weight in triples(element, self._key, self._eval_config):
            error = float(prediction.item()) - float(label.item())
            errors = weight * abs(error), weight * error * error
            one = Moments(weight, float(label.item()), 0.0, *errors)
            accumulator = accumulator.merged(one)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Moments]) -> Moments:
        return functools.reduce(Moments.merged, accumulators, Moments())


def triples(
    element: Any, key: Any, eval_config: Any, flatten: bool = True
) -> Iterable[tuple[Any, Any, float]]:
    """Returns label, prediction and weight of each example.

    Args:
        element: `tfma.metrics.StandardMetricInputs`.
        key: Of the metric; the weights are 1 unless it asks for them.
        eval_config: The `tfma.EvalConfig`.
        flatten: Whether an output a class is an example a class.
    """
    each = tfma.metrics.to_label_prediction_example_weight(
        element,
        eval_config=eval_config,
        model_name=key.model_name,
        output_name=key.output_name,
        example_weighted=key.example_weighted,
        flatten=flatten,
    )
    return ((label, prediction, float(weight.item())) for label, prediction, weight in each)


def metric_key(name: str, model_name: str, output_name: str, example_weighted: bool) -> Any:
    """Returns TFMA's key of a metric of one model and output."""
    return tfma.metrics.MetricKey(name, model_name, output_name, example_weighted=example_weighted)


class _ErrorMetric(tfma.metrics.Metric):  # type: ignore[misc]
    """A metric that is a function of the moments; all of them share one computation."""

    def __init__(self, name: str) -> None:
        super().__init__(tfma.metrics.merge_per_key_computations(self._computations), name=name)

    @staticmethod
    def value(moments: Moments) -> float:
        """Returns the metric; there is at least one example."""
        raise NotImplementedError

    def _computations(
        self,
        name: str = "",
        eval_config: Any = None,
        model_name: str = "",
        output_name: str = "",
        example_weighted: bool = False,
    ) -> list[Any]:
        shared = metric_key("_moments", model_name, output_name, example_weighted)
        key = metric_key(name, model_name, output_name, example_weighted)

        def result(metrics: dict[Any, Any]) -> dict[Any, float]:
            moments = metrics[shared]
            return {key: self.value(moments) if moments.examples else float("nan")}

        return [
            tfma.metrics.MetricComputation(
                keys=[shared], preprocessors=None, combiner=_MomentsCombiner(shared, eval_config)
            ),
            tfma.metrics.DerivedMetricComputation(keys=[key], result=result),
        ]


class AbsoluteError(_ErrorMetric):
    """Mean of |prediction - label|."""

    @staticmethod
    def value(moments: Moments) -> float:
        """Returns the metric."""
        return moments.absolute / moments.examples


class SquaredError(_ErrorMetric):
    """Mean of (prediction - label)²; of probabilities, the Brier score."""

    @staticmethod
    def value(moments: Moments) -> float:
        """Returns the metric."""
        return moments.squared / moments.examples


class RootSquaredError(_ErrorMetric):
    """Square root of the mean squared error."""

    @staticmethod
    def value(moments: Moments) -> float:
        """Returns the metric."""
        return float(np.sqrt(moments.squared / moments.examples))


class Determination(_ErrorMetric):
    """R²: 1 - squared errors / squared deviations from the mean label.

    Not TFMA's SquaredPearsonCorrelation, which ignores a constant offset or a
    wrong scale. Undefined where all labels are equal.
    """

    @staticmethod
    def value(moments: Moments) -> float:
        """Returns the metric."""
        if not moments.deviations:
            return float("nan")
        return 1.0 - moments.squared / moments.deviations


class LogLoss(tfma.metrics.Metric):  # type: ignore[misc]
    """Mean negative logarithm of the probability that the true class was given.

    For a single output it is the probability of class 1, for several one each.
    Probabilities are kept at least 1e-15 from 0, so that one certain mistake
    counts 34.5 and not infinity.
    """

    def __init__(self, name: str = "log_loss") -> None:
        super().__init__(tfma.metrics.merge_per_key_computations(_log_loss), name=name)


class _MeanLogLoss(RowsCombiner):
    def empty(self) -> Any:
        return np.zeros(2)

    def add(self, state: Any, rows: list[Any]) -> Any:
        return state + np.sum(log_losses(*stacked(rows)), axis=1)

    def merged(self, states: Iterable[Any]) -> Any:
        return sum(states, self.empty())

    def extract_output(self, accumulator: Pending) -> dict[Any, float]:
        count, total = self.compact(accumulator).state
        return {self._key: float(total / count) if count else float("nan")}


def stacked(rows: Iterable[tuple[Any, Any, float]]) -> tuple[Any, Any, Any]:
    """Returns labels, predictions and weights of rows as `triples` has them, not flattened.

    Returns:
        Labels of shape `(rows,)`, the index of the 1 where there is a number for each class;
        predictions of shape `(rows, outputs)`; weights of shape `(rows,)`.
    """
    labels, predictions, weights = zip(*rows, strict=True)
    one_a_class = np.stack([np.ravel(label) for label in labels])
    index = one_a_class.argmax(axis=1) if one_a_class.shape[1] > 1 else one_a_class[:, 0]
    return index, np.stack([np.ravel(row) for row in predictions]), np.array(weights)


def log_losses(labels: Any, predictions: Any, weights: Any) -> tuple[Any, Any]:
    """Returns the weights, and the weighted negative logarithms of what `given` returns."""
    probable = np.maximum(given(labels, predictions), SMALLEST_PROBABILITY)
    return weights, -weights * np.log(probable)


def given(labels: Any, predictions: Any) -> Any:
    """The probability of the true class; none for a class that training did not see.

    Args:
        labels: Indices of classes, of shape `(rows,)`; -1 is one that training did not see.
        predictions: Of shape `(rows, classes)`, or `(rows, 1)`: the probability of class 1.
    """
    if predictions.shape[1] == 1:
        probability = predictions[:, 0].astype(float)
        return np.where(labels > 0.5, probability, 1.0 - probability)
    true_class = labels.astype(np.int64)
    seen = predictions[np.arange(len(labels)), np.maximum(true_class, 0)].astype(float)
    return np.where(true_class >= 0, seen, 0.0)


def _log_loss(
    name: str = "",
    eval_config: Any = None,
    model_name: str = "",
    output_name: str = "",
    example_weighted: bool = False,
) -> list[Any]:
    key = metric_key(name, model_name, output_name, example_weighted)
    return [
        tfma.metrics.MetricComputation(
            keys=[key], preprocessors=None, combiner=_MeanLogLoss(key, eval_config)
        )
    ]


class _ClassMetric(tfma.metrics.Metric):  # type: ignore[misc]
    """A function of the confusion matrix whose prediction is the most probable class."""

    of_matrix: Callable[[Any], float]

    def __init__(self, name: str) -> None:
        super().__init__(tfma.metrics.merge_per_key_computations(self._computations), name=name)

    def _computations(
        self,
        name: str = "",
        eval_config: Any = None,
        model_name: str = "",
        output_name: str = "",
        example_weighted: bool = False,
    ) -> list[Any]:
        matrices = multi_class_confusion_matrices(
            eval_config=eval_config,
            model_name=model_name,
            output_name=output_name,
            example_weighted=example_weighted,
        )
        shared = matrices[-1].keys[-1]
        key = metric_key(name, model_name, output_name, example_weighted)

        def result(metrics: dict[Any, Any]) -> dict[Any, float]:
            (entries,) = metrics[shared].values()
            return {key: type(self).of_matrix(_square(entries))}

        return [*matrices, tfma.metrics.DerivedMetricComputation(keys=[key], result=result)]


def _square(entries: dict[Any, float]) -> Any:
    """Counts as an array of shape `(classes + 1, classes + 1)`: rows actual, columns predicted.

    The last row is for classes that training did not see, which are -1.
    """
    classes = 1 + max(max(entry) for entry in entries)
    matrix = np.zeros((classes + 1, classes + 1))
    for (actual, predicted), count in entries.items():
        matrix[actual, predicted] += count
    return matrix


class ClassAccuracy(_ClassMetric):
    """Share of the examples whose most probable class is the true one."""

    @staticmethod
    def of_matrix(matrix: Any) -> float:
        """Returns the metric of a confusion matrix."""
        total = matrix.sum()
        return float(np.trace(matrix) / total) if total else float("nan")


class MacroF1(_ClassMetric):
    """Mean of the classes' F1, over the classes that occur as label or prediction.

    TFMA's macro average binarizes at 0.5 instead, which leaves out examples
    whose most probable class has less.
    """

    @staticmethod
    def of_matrix(matrix: Any) -> float:
        """Returns the metric of a confusion matrix."""
        involved = matrix.sum(axis=0) + matrix.sum(axis=1)
        present = involved > 0
        return float(np.mean(2 * np.diag(matrix)[present] / involved[present]))


class ResidualSample(tfma.metrics.Metric):  # type: ignore[misc]
    """Pairs of label and prediction for a plot, as JSON: `[[label, prediction], ...]`.

    The pairs with the smallest checksums are kept, so the sample is the same
    whatever order the examples come in and however they are merged.
    """

    def __init__(self, name: str = "residual_sample", size: int = RESIDUAL_SAMPLE_SIZE) -> None:
        super().__init__(
            tfma.metrics.merge_per_key_computations(_residual_sample), name=name, size=size
        )


Sample = list[tuple[int, float, float]]


class _SmallestChecksums(beam.CombineFn):  # type: ignore[misc]
    def __init__(self, key: Any, eval_config: Any, size: int) -> None:
        self._key = key
        self._eval_config = eval_config
        self._size = size

    def create_accumulator(self) -> Sample:
        return []

    def add_input(self, accumulator: Sample, element: Any) -> Sample:
        for label, prediction, _ in triples(element, self._key, self._eval_config):
            pair = (float(label.item()), float(prediction.item()))
            accumulator.append((zlib.crc32(repr(pair).encode()), *pair))
        return self.compact(accumulator) if len(accumulator) > 4 * self._size else accumulator

    def merge_accumulators(self, accumulators: Iterable[Sample]) -> Sample:
        return self.compact([entry for accumulator in accumulators for entry in accumulator])

    def compact(self, accumulator: Sample) -> Sample:
        return heapq.nsmallest(self._size, accumulator)

    def extract_output(self, accumulator: Sample) -> dict[Any, bytes]:
        pairs = [entry[1:] for entry in self.compact(accumulator)]
        return {self._key: json.dumps(pairs).encode()}


def _residual_sample(
    name: str = "",
    size: int = RESIDUAL_SAMPLE_SIZE,
    eval_config: Any = None,
    model_name: str = "",
    output_name: str = "",
    example_weighted: bool = False,
) -> list[Any]:
    key = metric_key(name, model_name, output_name, example_weighted)
    return [
        tfma.metrics.MetricComputation(
            keys=[key], preprocessors=None, combiner=_SmallestChecksums(key, eval_config, size)
        )
    ]
