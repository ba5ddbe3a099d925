"""TFMA's combiners for whole columns of rows instead of one example at a time.

A combiner is replaced only where its options are those that its columns know;
`of` returns None for all others. What a replacement accumulates becomes the
combiner's own accumulator in the end, so that TFMA makes the result of it.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainyard.components.evaluator import exact_metrics as exact
from trainyard.components.evaluator import gains, score_curves, text_metrics
from trainyard.components.evaluator import tfma_private as private

Array = NDArray[Any]
Columns = tuple[Array, ...]


class Vectorized(ABC):
    """One combiner, for columns.

    Args:
        combiner: The one it stands for.
    """

    single_output = True  # else one output a class

    def __init__(self, combiner: Any) -> None:
        self.combiner = combiner

    def knows(self) -> bool:
        """Whether the combiner's options are covered; without any, they are."""
        return True

    @property
    def weighted(self) -> bool:
        """Whether rows count by their weights."""
        return any(key.example_weighted for key in _keys(self.combiner))

    @abstractmethod
    def columns(self, labels: Array, predictions: Array, weights: Array) -> Columns:
        """Computes once a batch what all slices need of each row.

        Args:
            labels: Of shape `(rows,)`.
            predictions: Of shape `(rows, outputs)`.
            weights: Of shape `(rows,)`; ones if rows are not weighted.
        """

    @abstractmethod
    def empty(self) -> Any:
        """The state before any row."""

    @abstractmethod
    def add(self, state: Any, columns: Columns) -> Any:
        """Returns the state with the rows of a slice added."""

    @abstractmethod
    def accumulator(self, state: Any) -> Any:
        """Turns the state into the combiner's own accumulator."""

    def result(self, state: Any) -> dict[Any, Any]:
        """What the combiner makes of it, by metric key."""
        return dict(self.combiner.extract_output(self.accumulator(state)))


class _Summed(Vectorized):
    """The state is the sum of each column."""

    def empty(self) -> Any:
        return 0.0

    def add(self, state: Any, columns: Columns) -> Any:
        return state + np.array([column.sum() for column in columns])


class _Count(Vectorized):
    """Number of rows, or the sum of their weights."""

    def columns(self, labels: Array, predictions: Array, weights: Array) -> Columns:
        del labels, predictions
        return (weights,)

    def empty(self) -> Any:
        return 0.0

    def add(self, state: Any, columns: Columns) -> Any:
        return state + columns[0].sum()

    def accumulator(self, state: Any) -> Any:
        return float(state)


class _Totals(_Summed):
    """Sums of labels and predictions."""

    def columns(self, labels: Array, predictions: Array, weights: Array) -> Columns:
        return weights * labels.astype(float), weights * _single(predictions), weights

    def accumulator(self, state: Any) -> Any:
        return private.totals(*map(float, state))


class _Confusion(Vectorized):
    """True and false positives and negatives at given thresholds."""

    def knows(self) -> bool:
        return bool(self.combiner._enable_fractional_labels) and not self.combiner._example_id_key

    @property
    def thresholds(self) -> Any:
        return self.combiner._binary_confusion_matrices._thresholds

    def columns(self, labels: Array, predictions: Array, weights: Array) -> Columns:
        positive = score_curves.fractions(labels)
        return weights * positive, weights * (1 - positive), _single(predictions)

    def empty(self) -> Any:
        return np.zeros((len(self.thresholds), 4))

    def add(self, state: Any, columns: Columns) -> Any:
        # A label of 0.3 is 0.3 of a positive example and 0.7 of a negative one.
        positive, negative, prediction = columns
        above = prediction > np.array(self.thresholds, float)[:, np.newaxis]
        tp, fp = above @ positive, above @ negative
        fn, tn = positive.sum() - tp, negative.sum() - fp
        return state + np.stack([tp, tn, fp, fn], axis=1)

    def accumulator(self, state: Any) -> Any:
        matrices = zip(self.thresholds, map(tuple, state.tolist()), strict=True)
        return private.confusion(dict(matrices))


class _Histogram(Vectorized):
    """Labels and predictions summed in buckets of the prediction; only buckets that occur."""

    def knows(self) -> bool:
        return bool(self.combiner._prediction_based_bucketing)

    def columns(self, labels: Array, predictions: Array, weights: Array) -> Columns:
        fractional = self.combiner._fractional_labels
        positive = score_curves.fractions(labels) if fractional else labels.astype(float)
        prediction = _single(predictions)
        return self._bucket(prediction), weights * positive, weights * prediction, weights

    def _bucket(self, prediction: Array) -> Array:
        if np.isnan(prediction).any():
            raise score_curves.not_a_number(prediction)
        last = self.combiner._num_buckets + 1
        place = (prediction - self.combiner._left) / self.combiner._range * (last - 1) + 1
        bucket: Array = np.clip(place, 0, last).astype(np.int64)
        return bucket

    def empty(self) -> Any:
        return np.zeros((4, 0))

    def add(self, state: Any, columns: Columns) -> Any:
        buckets, *values = np.concatenate([state, columns], axis=1)
        occurring, where = np.unique(buckets, return_inverse=True)
        sums = [np.bincount(where, value, len(occurring)) for value in values]
        return np.stack([occurring, *sums])

    def accumulator(self, state: Any) -> Any:
        if self.combiner._fractional_labels:  # TFMA then passes over rows that weigh nothing
            state = state[:, state[3] > 0]
        buckets = state[0].astype(np.int64).tolist()
        return private.histogram(zip(buckets, *state[1:].tolist(), strict=True))


class _Scores(Vectorized):
    """Weights of positive and negative rows by score."""

    def columns(self, labels: Array, predictions: Array, weights: Array) -> Columns:
        return score_curves.scored(labels, predictions[:, 0], weights)

    def empty(self) -> Any:
        return score_curves.Buffer()

    def add(self, state: Any, columns: Columns) -> Any:
        state.add(score_curves.Scores.of_rows(*columns))
        return state

    def accumulator(self, state: Any) -> Any:
        return exact.Pending(state, [])


class _ClassConfusion(Vectorized):
    """Counts of actual and most probable classes."""

    single_output = False

    def knows(self) -> bool:
        return len(self.combiner._thresholds) == 1

    def columns(self, labels: Array, predictions: Array, weights: Array) -> Columns:
        guess = predictions.argmax(axis=1)
        sure = predictions.max(axis=1) > self.combiner._thresholds[0]
        return labels.astype(float), np.where(sure, guess, -1), weights

    def empty(self) -> Any:
        return np.zeros((3, 0))

    def add(self, state: Any, columns: Columns) -> Any:
        both = np.concatenate([state, columns], axis=1)
        pairs, where = np.unique(both[:2], axis=1, return_inverse=True)
        counts = np.bincount(where.ravel(), both[2], pairs.shape[1])
        return np.concatenate([pairs, counts[np.newaxis]])

    def accumulator(self, state: Any) -> Any:
        counts = {(int(actual), int(guess)): count for actual, guess, count in state.T.tolist()}
        return private.class_confusion(self.combiner._thresholds[0], counts)


class _Moments(Vectorized):
    """Errors, and the labels' mean and spread."""

    def columns(self, labels: Array, predictions: Array, weights: Array) -> Columns:
        label = labels.astype(float)
        return label, _single(predictions) - label, weights

    def empty(self) -> Any:
        return exact.Moments()

    def add(self, state: Any, columns: Columns) -> Any:
        label, error, weight = columns
        total = weight.sum()
        if not total:
            return state
        mean = (weight * label).sum() / total
        parts = (label - mean) ** 2, np.abs(error), error**2
        sums = [float((weight * part).sum()) for part in parts]
        return state.merged(exact.Moments(float(total), float(mean), *sums))

    def accumulator(self, state: Any) -> Any:
        return state


class _MeanLogLoss(_Summed):
    """Logarithms of the probabilities of the true classes; one output or one a class."""

    def columns(self, labels: Array, predictions: Array, weights: Array) -> Columns:
        return exact.log_losses(labels, predictions, weights)

    def accumulator(self, state: Any) -> Any:
        return exact.Pending(state, [])


class _SmallestChecksums(Vectorized):
    """A sample of labels and predictions."""

    def columns(self, labels: Array, predictions: Array, weights: Array) -> Columns:
        del weights
        label, prediction = labels.astype(float), _single(predictions)
        pairs = zip(label.tolist(), prediction.tolist(), strict=True)
        return (
            np.array([zlib.crc32(repr(pair).encode()) for pair in pairs], float),
            label,
            prediction,
        )

    def empty(self) -> Any:
        return np.zeros((3, 0))

    def add(self, state: Any, columns: Columns) -> Any:
        both = np.concatenate([state, columns], axis=1)
        return both[:, np.lexsort(both[::-1])[: self.combiner._size]]

    def accumulator(self, state: Any) -> Any:
        return [(int(checksum), *pair) for checksum, *pair in state.T.tolist()]


class _TextSums(_Summed):
    """What there is to count in what a model wrote, or of how likely it held the labels."""

    single_output = False

    def columns(self, labels: Array, predictions: Any, weights: Array) -> Columns:
        del labels, weights
        return tuple(self.combiner.counts(predictions).T)

    def accumulator(self, state: Any) -> Any:
        return state


class _Gain(_Summed):
    """How much better than the trivial answer each row is."""

    def columns(self, labels: Array, predictions: Any, weights: Array) -> Columns:
        return tuple(self.combiner.columns(labels, predictions, weights))

    def accumulator(self, state: Any) -> Any:
        return exact.Pending(state, [])


_OF: dict[Any, type[Vectorized]] = {
    private.ExampleCount: _Count,
    private.Totals: _Totals,
    private.ConfusionMatrix: _Confusion,
    private.CalibrationHistogram: _Histogram,
    private.ClassConfusionMatrix: _ClassConfusion,
    score_curves.ScoresCombiner: _Scores,
    exact._MomentsCombiner: _Moments,
    exact._MeanLogLoss: _MeanLogLoss,
    exact._SmallestChecksums: _SmallestChecksums,
    gains.GainSums: _Gain,
    **dict.fromkeys(text_metrics.KINDS, _TextSums),
}


def of(combiner: Any, outputs: int) -> Vectorized | None:
    """Finds what computes the same as a combiner.

    Args:
        combiner: Of TFMA, or our own.
        outputs: How many numbers the model predicts for a row.

    Returns:
        None if there is nothing for it.
    """
    kind = _OF.get(type(combiner))
    if kind is None or _binarized(combiner):
        return None
    found = kind(combiner)
    fits = kind in (_Count, _MeanLogLoss, _Gain) or kind.single_output == (outputs == 1)
    return found if fits and found.knows() else None


def _binarized(combiner: Any) -> bool:
    asked = vars(combiner)
    options = ("_aggregation_type", "_class_weights")
    return any(asked.get(option) for option in options) or any(
        key.sub_key for key in _keys(combiner)
    )


def _keys(combiner: Any) -> list[Any]:
    asked = vars(combiner)
    return list(asked.get("_keys") or [asked["_key"]])


def _single(predictions: Array) -> Array:
    return predictions[:, 0].astype(float)
