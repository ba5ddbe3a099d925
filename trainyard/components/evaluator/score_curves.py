"""Curves over the thresholds of a score, and the areas under them, as TFMA metrics.

TFMA counts scores in 10,000 equal buckets and interpolates: 0.5 instead of 1 where all
scores are close to 1. Here every distinct score is a threshold of its own. Up to
`MOST_SCORES` of them the areas are exact; beyond, neighbouring scores count as equal and
a bound on the error is written beside the area.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray
from tensorflow_model_analysis.proto import metrics_for_slice_pb2

from trainyard import exact_curves
from trainyard.components.evaluator.companions import ERROR
from trainyard.components.evaluator.exact_metrics import (
    Pending,
    RowsCombiner,
    metric_key,
    stacked,
    triples,
)
from trainyard.errors import DataError
from trainyard.wording import agreeing, counted

Array = NDArray[Any]

MOST_SCORES = 1 << 22
"""Distinct scores that a slice keeps, 25 bytes each; with more, neighbours are joined."""

PLOTTED = 400
"""Thresholds of a drawn curve, about."""

_FEWEST_PENDING = 1 << 16
_ROUNDING = 1e-9  # so that no step lies exactly on a threshold, on which side would be chance


@dataclass(frozen=True)
class Scores:
    """Weight of the positive and of the negative rows by score, ascending.

    Attributes:
        values: The distinct scores; of joined ones the least, `(n,)`.
        positives: Weight of the positive rows, `(n,)`.
        negatives: Weight of the negative rows, `(n,)`.
        joined: Whether different scores count as this one, `(n,)`.
        dropped: How many of a score's lowest bits are ignored.
    """

    values: Array
    positives: Array
    negatives: Array
    joined: Array
    dropped: int = 0

    @classmethod
    def of_rows(cls, values: Array, positives: Array, negatives: Array) -> Scores:
        """Takes rows in any order, all columns of shape `(rows,)`."""
        return cls(values, positives, negatives, np.zeros(len(values), bool))

    @classmethod
    def merged(cls, parts: Iterable[Scores]) -> Scores:
        """Joins rows and summed scores, in any order, to at most `MOST_SCORES` ascending ones."""
        some = [*parts] or [cls.of_rows(*np.zeros((3, 0)))]
        together = cls(
            np.concatenate([part.values for part in some]),
            np.concatenate([part.positives for part in some]),
            np.concatenate([part.negatives for part in some]),
            np.concatenate([part.joined for part in some]),
            max(part.dropped for part in some),
        )._summed()
        return together if len(together.values) <= MOST_SCORES else together._coarser()

    def _summed(self) -> Scores:
        if not len(self.values):
            return self
        order = np.argsort(self.values, kind="stable")
        values = self.values[order]
        keys = _ordered_bits(values) >> self.dropped
        first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        last = np.append(first[1:], len(values)) - 1
        different = values[first] != values[last]
        return Scores(
            values[first],
            np.add.reduceat(self.positives[order], first),
            np.add.reduceat(self.negatives[order], first),
            np.logical_or.reduceat(self.joined[order], first) | different,
            self.dropped,
        )

    def _coarser(self) -> Scores:
        """Ignores as many more bits as it takes to keep half of what may be kept."""
        keys = _ordered_bits(self.values)
        # The highest bit in which neighbours differ: they stay apart until it is dropped.
        apart = np.sort(np.frexp((keys[1:] ^ keys[:-1]).astype(float))[1])
        return replace(self, dropped=int(apart[-(MOST_SCORES // 2)]))._summed()

    def auc(self) -> float:
        """The area under the ROC curve; NaN if all labels are the same."""
        return self._area(exact_curves.auc)

    def average_precision(self) -> float:
        """The average precision; NaN if there is no positive row."""
        return self._area(exact_curves.average_precision)

    def _area(self, area: Callable[[Array, Array, Array], float]) -> float:
        labels = np.repeat([1.0, 0.0], len(self.values))
        weights = np.concatenate([self.positives, self.negatives])
        return area(np.tile(self.values, 2), labels, weights)

    def auc_error(self) -> float:
        """At most how far `auc` is from that of the scores before they were joined."""
        pairs = self.positives.sum() * self.negatives.sum()
        joined = (self.positives * self.negatives)[self.joined].sum() / 2
        return float(joined / pairs) if pairs else float("nan")

    def average_precision_error(self) -> float:
        """The same for `average_precision`."""
        above, below = (
            column.sum() - np.cumsum(column) for column in (self.positives, self.negatives)
        )
        worst, best = (
            _share(above + earned, above + earned + below + wrong)
            for earned, wrong in ((0.0, self.negatives), (self.positives, 0.0))
        )
        joined, total = (self.positives * (best - worst))[self.joined].sum(), self.positives.sum()
        return float(joined / total) if total else float("nan")

    def above(self, thresholds: Array) -> tuple[Array, Array]:
        """Weight of the positive and of the negative rows whose score is above thresholds."""
        place = np.searchsorted(self.values, thresholds, side="right")
        return _sum_from(self.positives)[place], _sum_from(self.negatives)[place]

    def thresholds(self) -> Array:
        """About `PLOTTED` thresholds, evenly along the ROC curve, 0.5 among them."""
        if not len(self.values):
            return np.array([0.5])
        every = np.append(np.nextafter(self.values[0], -np.inf), self.values)
        if len(every) > PLOTTED:
            both = [_share(column, column[0]) for column in self.above(every)]
            way = -np.sum(both, axis=0)  # rises from -2, where all rows are above, to 0
            steps = np.linspace(way[0], way[-1], PLOTTED) - _ROUNDING
            every = every[np.searchsorted(way, steps)]
        return np.union1d(every, [0.5])


def _share(part: Array, whole: Any) -> Array:
    return np.divide(part, whole, out=np.zeros(len(part)), where=np.asarray(whole) > 0)


def _sum_from(column: Array) -> Array:
    """Sum of each number and all after it, and a last 0."""
    return np.append(np.cumsum(column[::-1])[::-1], 0.0)


def _ordered_bits(values: Array) -> Array:
    """Whole numbers in the order of the 64-bit floats whose bits they are."""
    bits = (values + 0.0).view(np.int64)  # -0.0 becomes 0.0
    return np.where(bits < 0, bits ^ np.int64(np.iinfo(np.int64).max), bits)


class Buffer:
    """Scores that arrive in pieces; what is kept does not grow beyond `MOST_SCORES`, twice."""

    def __init__(self) -> None:
        self._parts: list[Scores] = []
        self._sorted = self._pending = 0

    def add(self, part: Scores) -> None:
        """Adds rows, or scores that are already summed."""
        self._parts.append(part)
        self._pending += len(part.values)
        if self._pending > max(_FEWEST_PENDING, self._sorted):
            self.scores()

    def scores(self) -> Scores:
        """Returns all of it."""
        merged = Scores.merged(self._parts)
        self._parts, self._pending, self._sorted = [merged], 0, len(merged.values)
        return merged


def scored(labels: Array, predictions: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Returns score and weights of rows as positive and as negative ones, 64-bit floats.

    Args:
        labels: 0 or 1, or the share of a row that is positive, `(rows,)`.
        predictions: Of the positive class, `(rows,)`.
        weights: Not negative, `(rows,)`.

    Raises:
        DataError: A label is not from 0 to 1, or a prediction is NaN.
    """
    if np.isnan(predictions).any():
        raise not_a_number(predictions)
    positive = fractions(labels)
    return predictions.astype(float), weights * positive, weights * (1 - positive)


class ScoresCombiner(RowsCombiner):
    """Collects `Scores`."""

    def rows(self, element: Any) -> Iterable[Any]:
        """Labels, predictions and weights."""
        return triples(element, self._key, self._eval_config)

    def empty(self) -> Buffer:
        """No row."""
        return Buffer()

    def add(self, state: Buffer, rows: list[Any]) -> Buffer:
        """Adds rows."""
        labels, predictions, weights = stacked(rows)
        state.add(Scores.of_rows(*scored(labels, predictions[:, 0], weights)))
        return state

    def merged(self, states: Iterable[Buffer]) -> Buffer:
        """Joins what was collected."""
        merged = Buffer()
        for state in states:
            merged.add(state.scores())
        return merged

    def extract_output(self, accumulator: Pending) -> dict[Any, Scores]:
        """All rows, by key."""
        return {self._key: self.compact(accumulator).state.scores()}


class _OfScores(tfma.metrics.Metric):  # type: ignore[misc]
    """What follows from the scores, which are collected once for all metrics."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(
            tfma.metrics.merge_per_key_computations(self._computations), name=name, **options
        )

    def _results(self, key: Any, scores: Scores) -> dict[Any, Any]:
        """Metrics or plots by key."""
        raise NotImplementedError

    def _computations(
        self,
        name: str = "",
        eval_config: Any = None,
        model_name: str = "",
        output_name: str = "",
        example_weighted: bool = False,
    ) -> list[Any]:
        shared = metric_key("_scores", model_name, output_name, example_weighted)
        key = metric_key(name, model_name, output_name, example_weighted)
        return [
            tfma.metrics.MetricComputation(
                keys=[shared], preprocessors=None, combiner=ScoresCombiner(shared, eval_config)
            ),
            tfma.metrics.DerivedMetricComputation(
                keys=[key], result=lambda metrics: self._results(key, metrics[shared])
            ),
        ]


class _Area(_OfScores):
    """An area and, where it is not exact, a bound of its error."""

    area: ClassVar[Callable[[Scores], float]]
    error: ClassVar[Callable[[Scores], float]]

    def _results(self, key: Any, scores: Scores) -> dict[Any, Any]:
        results = {key: type(self).area(scores)}
        if scores.joined.any():
            results[key._replace(name=f"{key.name}{ERROR}")] = type(self).error(scores)
        return results


class RocArea(_Area):
    """Area under the ROC curve, NaN where all labels are the same."""

    area = Scores.auc
    error = Scores.auc_error


class AveragePrecision(_Area):
    """Average precision, not interpolated, as scikit-learn's; NaN without a positive row."""

    area = Scores.average_precision
    error = Scores.average_precision_error


class CurvePlot(_OfScores):
    """Confusion matrices at thresholds that follow the curve, 0.5 among them."""

    def _results(self, key: Any, scores: Scores) -> dict[Any, Any]:
        plot = tfma.metrics.PlotKey(
            key.name, key.model_name, key.output_name, example_weighted=key.example_weighted
        )
        return {plot: _curve(scores, scores.thresholds())}


def _curve(scores: Scores, thresholds: Array) -> Any:
    """TFMA's proto of a curve; TFMA's own way to it rounds thresholds to six places."""
    tp, fp = scores.above(thresholds)
    tn, fn = scores.negatives.sum() - fp, scores.positives.sum() - tp
    columns = {
        "threshold": thresholds,
        "true_positives": tp,
        "true_negatives": tn,
        "false_positives": fp,
        "false_negatives": fn,
        "precision": _share(tp, tp + fp),
        "recall": _share(tp, tp + fn),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    curve = metrics_for_slice_pb2.ConfusionMatrixAtThresholds()
    for row in rows:
        curve.matrices.add(**dict(zip(columns, row, strict=True)))
    return curve


def fractions(labels: Array) -> Array:
    """Labels as shares of a positive example.

    Args:
        labels: Of shape `(rows,)`.

    Raises:
        DataError: One is not from 0 to 1.
    """
    positive = labels.astype(float)
    wrong = ~((positive >= 0) & (positive <= 1))
    if bad := int(wrong.sum()):
        raise DataError(
            f"{bad} of {counted(len(labels), 'row')} to judge {agreeing(bad, 'has', 'have')} a "
            "label that cannot be used",
            expected="0 or 1, or a class that the training data has",
            received=f"{labels[wrong][0]}",
            hint="-1 stands for a missing label, or for one that no training row has",
        )
    return positive


def not_a_number(predictions: Array) -> DataError:
    """What to raise where some predictions are NaN."""
    wrong = int(np.isnan(predictions).sum())
    return DataError(
        f"the model predicts nan for {wrong} of {counted(len(predictions), 'row')}",
        expected="numbers",
        hint="look for missing values that reach the model, or a training that diverged",
    )
