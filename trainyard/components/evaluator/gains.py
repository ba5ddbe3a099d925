"""Whether a model beats the trivial answer by more than chance, as TFMA metrics.

The trivial answer looks at no input: the most frequent class, the classes' shares, the
mean or the median of the training labels, a ranking by lot, an empty text.

The test is paired: each row has a gain, what the model is better by than the trivial
answer. If there were nothing to it, every gain might as well have the other sign; then the
mean gain has the standard error `sqrt(sum((w * gain)**2)) / sum(w)`, and must exceed it by
Student's 97.5 % quantile. Its degrees of freedom are those of the rows whose gains count,
`sum(w * |gain|)**2 / sum((w * gain)**2)`, less one: rows that both judge alike prove nothing,
and a few huge gains are a few rows. Of right and wrong answers it is McNemar's test. The
area under the ROC curve is held against the spread of the Mann-Whitney statistic of a ranking
by lot, `sqrt((p + n + 1) / (12 p n))`; with weights, `p` and `n` are effective numbers of rows.

Sources: Efron (1969), Student's t-test under symmetry conditions; McNemar (1947); Mann and
Whitney (1947); Kish (1965) for effective numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray
from scipy import stats

from trainyard.components.evaluator import exact_metrics as exact
from trainyard.components.evaluator.companions import GAIN, TRIVIAL
from trainyard.components.evaluator.score_curves import Scores, ScoresCombiner, fractions
from trainyard.components.evaluator.text_metrics import is_same_text
from trainyard.trainer_modules.harness.names import LIKELIHOOD, PREDICTIONS, REFERENCE

Array = NDArray[Any]
Answer = Mapping[str, Any]

CONFIDENCE = 0.95
_END = (1 + CONFIDENCE) / 2

Columns = Callable[[Array, Any, Answer], tuple[Array, Array, Array]]


def _ratio(above: float, below: float, weights: float) -> float:
    del weights
    return above / below


@dataclass(frozen=True)
class Measure:
    """How rows are compared with the trivial answer.

    Attributes:
        columns: From labels, predictions and the trivial answer to three numbers a row: the
            gain, and two of which weighted sums make the trivial answer's own metric.
        trivial: From the two sums and that of the weights to the metric.
    """

    columns: Columns
    trivial: Callable[[float, float, float], float] = _ratio


def _of_loss(model: Array, trivial: Array) -> tuple[Array, Array, Array]:
    return trivial - model, trivial, np.ones(len(trivial))


def _right(labels: Array, predictions: Array, answer: Answer) -> tuple[Array, Array, Array]:
    single = predictions.shape[1] == 1
    guess = predictions[:, 0] > 0.5 if single else predictions.argmax(axis=1)
    model, trivial = (x.astype(float) for x in (guess == labels, labels == answer["class"]))
    return model - trivial, trivial, np.ones(len(trivial))


def _log_loss(labels: Array, predictions: Array, answer: Answer) -> tuple[Array, Array, Array]:
    shares = np.append(answer["shares"], 0.0)  # the last for -1: training has not seen it
    given = (exact.given(labels, predictions), shares[labels.astype(np.int64)])
    return _of_loss(*(-np.log(np.maximum(p, exact.SMALLEST_PROBABILITY)) for p in given))


def _brier(labels: Array, predictions: Array, answer: Answer) -> tuple[Array, Array, Array]:
    share = answer["shares"][1]
    return _of_loss((predictions[:, 0] - labels) ** 2, (share - labels) ** 2)


def _absolute(labels: Array, predictions: Array, answer: Answer) -> tuple[Array, Array, Array]:
    return _of_loss(np.abs(predictions[:, 0] - labels), np.abs(answer["median"] - labels))


def _squared(labels: Array, predictions: Array, answer: Answer) -> tuple[Array, Array, Array]:
    return _of_loss((predictions[:, 0] - labels) ** 2, (answer["mean"] - labels) ** 2)


def _explained(labels: Array, predictions: Array, answer: Answer) -> tuple[Array, Array, Array]:
    gain, trivial, _ = _squared(labels, predictions, answer)
    return gain, trivial, labels - answer["mean"]


def _r2(squares: float, sum_of_differences: float, weights: float) -> float:
    deviations = squares - sum_of_differences**2 / weights
    return 1.0 - squares / deviations if deviations else math.nan


def _likelihood(below: int) -> Columns:
    def columns(labels: Any, answers: Any, answer: Answer) -> tuple[Array, Array, Array]:
        del labels
        told = answers[LIKELIHOOD].astype(float)  # logarithm, tokens, characters
        trivial = told[:, 1] * answer["entropy"]
        return trivial + told[:, 0], trivial, told[:, below]

    return columns


def _same_text(labels: Any, answers: Any, answer: Answer) -> tuple[Array, Array, Array]:
    del labels, answer
    wanted = answers[REFERENCE]
    model, trivial = (
        is_same_text(written, wanted)
        for written in (answers[PREDICTIONS], np.full_like(wanted, b"", object))
    )
    return model - trivial, trivial, np.ones(len(trivial))


def _ranked(labels: Array, predictions: Any, answer: Answer) -> tuple[Array, Array, Array]:
    del predictions, answer
    positive = fractions(labels)
    return np.ones(len(labels)), positive, 1 - positive


MEASURES: dict[str, Measure] = {
    "auc": Measure(_ranked),
    "accuracy": Measure(_right),
    "log_loss": Measure(_log_loss),
    "brier": Measure(_brier),
    "mae": Measure(_absolute),
    "mse": Measure(_squared),
    "rmse": Measure(_squared, lambda squares, rows, _: math.sqrt(squares / rows)),
    "r2": Measure(_explained, _r2),
    "perplexity": Measure(
        _likelihood(1), lambda loss, tokens, _: math.exp(min(loss / tokens, 700.0))
    ),
    "bits_per_character": Measure(
        _likelihood(2), lambda loss, letters, _: loss / letters / math.log(2)
    ),
    "exact_match": Measure(_same_text),
}
"""The metrics that can be held against the trivial answer."""

_OF_TEXT = frozenset({"perplexity", "bits_per_character", "exact_match"})


class GainSums(exact.RowsCombiner):
    """Sums over rows of what the comparison takes.

    Args:
        key: Of the sums among TFMA's metrics.
        eval_config: The `tfma.EvalConfig`.
        measure: A word of `MEASURES`.
        answer: The trivial answer; None if nobody has looked at the training labels.
    """

    def __init__(self, key: Any, eval_config: Any, measure: str, answer: Answer | None) -> None:
        super().__init__(key, eval_config)
        self.is_text = measure in _OF_TEXT
        self._measure = MEASURES[measure]
        self._answer = answer

    def columns(self, labels: Array, predictions: Any, weights: Array) -> tuple[Array, ...]:
        """Returns what is summed, each of shape `(rows,)`.

        Args:
            labels: Of shape `(rows,)`.
            predictions: Of shape `(rows, outputs)`; of text, all answers by name.
            weights: Of shape `(rows,)`.
        """
        if self._answer is None:
            return tuple(np.full((8, len(weights)), math.nan))
        if not self.is_text:
            labels, predictions = labels.astype(float), predictions.astype(float)
        gain, above, below = self._measure.columns(labels, predictions, self._answer)
        weighted = weights * gain
        sums = weights, weighted, np.abs(weighted), weighted**2, weights * above, weights * below
        return (*sums, weights**2 * above, weights**2 * below)

    def rows(self, element: Any) -> Iterable[Any]:
        """Labels, predictions and weights; of text, all that the model answers."""
        if self.is_text:
            return [element.get_predictions(model_name=self._key.model_name)]
        return super().rows(element)

    def empty(self) -> Any:
        """No row."""
        return 0.0

    def add(self, state: Any, rows: list[Any]) -> Any:
        """Adds rows."""
        columns = self.columns(*(_texts(rows) if self.is_text else exact.stacked(rows)))
        return state + np.array(columns).sum(axis=1)

    def merged(self, states: Iterable[Any]) -> Any:
        """Adds sums."""
        return sum(states, 0.0)


def _texts(rows: Sequence[Answer]) -> tuple[Array, Any, Array]:
    """Returns no labels, the answers that are measured, by name, and weights of 1."""
    measured = (name for name in (LIKELIHOOD, PREDICTIONS, REFERENCE) if name in rows[0])
    answers = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in measured}
    return np.zeros(len(rows)), answers, np.ones(len(rows))


class Gain(tfma.metrics.Metric):  # type: ignore[misc]
    """By how much a model beats the trivial answer beyond chance, above 0 if it does.

    In standard errors of the gain. Beside it stands the trivial answer's own metric.

    Args:
        name: The name of the metric, which ends in `GAIN`.
        answer: The trivial answer, as `trivial_answers` finds it.
        rest: What finds it: names of the label and of the weight in the examples.
    """

    def __init__(self, name: str, answer: Answer | None = None, **rest: Any) -> None:
        super().__init__(
            tfma.metrics.merge_per_key_computations(self._computations),
            name=name,
            answer=answer,
            **rest,
        )

    def _computations(
        self,
        name: str = "",
        answer: Answer | None = None,
        label: str = "",
        weight: str = "",
        eval_config: Any = None,
        model_name: str = "",
        output_name: str = "",
        example_weighted: bool = False,
    ) -> list[Any]:
        del label, weight  # of who looks for the answer
        measure = name.removesuffix(GAIN)

        def key(own: str) -> Any:
            return exact.metric_key(own, model_name, output_name, example_weighted)

        sums, scores = key(f"_{name}"), key("_scores")
        computations = [
            tfma.metrics.MetricComputation(
                keys=[sums],
                preprocessors=None,
                combiner=GainSums(sums, eval_config, measure, answer),
            )
        ]
        if measure == "auc":
            computations.append(
                tfma.metrics.MetricComputation(
                    keys=[scores], preprocessors=None, combiner=ScoresCombiner(scores, eval_config)
                )
            )

        def result(metrics: dict[Any, Any]) -> dict[Any, float]:
            found = (
                of_ranking(metrics[sums], metrics[scores])
                if measure == "auc"
                else of_rows(MEASURES[measure], metrics[sums])
            )
            return dict(zip((key(name), key(f"{measure}{TRIVIAL}")), found, strict=True))

        keys = [key(name), key(f"{measure}{TRIVIAL}")]
        return [
            *computations,
            tfma.metrics.DerivedMetricComputation(keys=keys, result=result),
        ]


def of_rows(measure: Measure, sums: Any) -> tuple[float, float]:
    """Compares rows.

    Args:
        measure: How.
        sums: Of `GainSums.columns`.

    Returns:
        The gain beyond chance in standard errors, and the trivial answer's metric.
    """
    if not np.ndim(sums) or not sums[0] > 0:
        return math.nan, math.nan
    weights, gain, absolute, squares, above, below, *_ = map(float, sums)
    trivial = measure.trivial(above, below, weights)
    if not squares > 0:  # no row is judged otherwise
        return (0.0 if squares == 0 else math.nan), trivial
    rows = absolute**2 / squares
    if rows <= 1 + 1e-9:
        return -math.inf, trivial
    return gain / math.sqrt(squares) - float(stats.t.ppf(_END, rows - 1)), trivial


def of_ranking(sums: Any, scores: Scores) -> tuple[float, float]:
    """Compares a ranking with one by lot.

    Args:
        sums: Of `GainSums.columns`.
        scores: The same rows.

    Returns:
        As `of_rows`.
    """
    area = scores.auc()
    if math.isnan(area):
        return math.nan, math.nan
    positives, negatives, *squares = map(float, np.asarray(sums)[4:])
    p, n = positives**2 / squares[0], negatives**2 / squares[1]
    error = math.sqrt((p + n + 1) / (12 * p * n))
    return (area - 0.5) / error - float(stats.norm.ppf(_END)), 0.5
