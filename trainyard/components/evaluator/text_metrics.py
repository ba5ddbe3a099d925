"""Metrics of text that a model wrote, as TFMA metrics: sums over rows, so any slice has its own.

BLEU and chrF are sacreBLEU's, of a corpus and not the mean over texts (Papineni et al., 2002;
Popović, 2015; Post, 2018, https://aclanthology.org/W18-6319).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray

from trainyard.components.evaluator import sacrebleu_private as sacrebleu
from trainyard.trainer_modules.harness.names import LIKELIHOOD, PREDICTIONS, REFERENCE

Array = NDArray[Any]


class Sums(beam.CombineFn):  # type: ignore[misc]
    """Sums what there is to count in each row.

    Args:
        key: Of the sums among TFMA's metrics.
    """

    def __init__(self, key: Any) -> None:
        self._key = key

    @staticmethod
    def counts(answers: Mapping[str, Array]) -> Array:
        """Counts in each row what the metrics need.

        Args:
            answers: The model's, `(rows, ...)`, as `Writer.evaluation` names them.

        Returns:
            Of shape `(rows, numbers)`.
        """
        raise NotImplementedError

    def create_accumulator(self) -> Any:
        """No row."""
        return 0.0

    def add_input(self, accumulator: Any, element: Any) -> Any:
        """Adds a row."""
        predictions = element.get_predictions(model_name=self._key.model_name)
        one = {name: np.asarray(value)[np.newaxis] for name, value in predictions.items()}
        return accumulator + self.counts(one)[0]

    def merge_accumulators(self, accumulators: Iterable[Any]) -> Any:
        """Adds sums."""
        return sum(accumulators, 0.0)

    def extract_output(self, accumulator: Any) -> dict[Any, Any]:
        """The sums, by key; 0.0 of no row."""
        return {self._key: accumulator}


class LikelihoodSums(Sums):
    """Logarithms of the labels' probabilities, tokens and characters."""

    @staticmethod
    def counts(answers: Mapping[str, Array]) -> Array:
        """Three numbers a row."""
        return answers[LIKELIHOOD].astype(float)


class TextSums(Sums):
    """Rows, texts that are right, and what sacreBLEU counts."""

    @staticmethod
    def counts(answers: Mapping[str, Array]) -> Array:
        """1, whether the text is right, and what BLEU and chrF count."""
        written, wanted = _texts(answers[PREDICTIONS]), _texts(answers[REFERENCE])
        same = is_same_text(answers[PREDICTIONS], answers[REFERENCE])
        parts = [sacrebleu.counts(name, written, wanted) for name in sacrebleu.LENGTHS]
        return np.column_stack([np.ones(len(same)), same, *parts])


def is_same_text(written: Array, wanted: Array) -> Array:
    """1 where a text is the wanted one, blanks aside, else 0, `(rows,)`.

    Args:
        written: Bytes, `(rows, 1)`.
        wanted: Likewise.
    """
    pairs = zip(_texts(written), _texts(wanted), strict=True)
    return np.array([_bare(one) == _bare(other) for one, other in pairs], float)


def _texts(values: Array) -> list[str]:
    return [value.decode("utf-8", "replace") for value in values.ravel().tolist()]


def _bare(text: str) -> str:
    """Tokens are joined by one blank, whatever stood between them."""
    return "".join(text.split())


class _TextMetric(tfma.metrics.Metric):  # type: ignore[misc]
    """A function of sums, which all metrics of a kind share."""

    sums: type[Sums]

    def __init__(self, name: str) -> None:
        super().__init__(tfma.metrics.merge_per_key_computations(self._computations), name=name)

    @staticmethod
    def value(sums: Array) -> float:
        """Returns the metric."""
        raise NotImplementedError

    def _computations(
        self, name: str = "", model_name: str = "", output_name: str = ""
    ) -> list[Any]:
        shared = tfma.metrics.MetricKey(f"_{self.sums.__name__}", model_name, output_name)
        key = tfma.metrics.MetricKey(name, model_name, output_name)

        def result(metrics: dict[Any, Any]) -> dict[Any, float]:
            sums = metrics[shared]
            return {key: self.value(sums) if np.ndim(sums) else float("nan")}

        return [
            tfma.metrics.MetricComputation(
                keys=[shared], preprocessors=None, combiner=self.sums(shared)
            ),
            tfma.metrics.DerivedMetricComputation(keys=[key], result=result),
        ]


class Perplexity(_TextMetric):
    """e to the mean negative log-likelihood of a label's token, its end included."""

    sums = LikelihoodSums

    @staticmethod
    def value(sums: Array) -> float:
        """Returns the metric."""
        return math.exp(min(-sums[0] / sums[1], 700.0)) if sums[1] else float("nan")


class BitsPerCharacter(_TextMetric):
    """Negative log-likelihood of the labels, to base 2, over their characters."""

    sums = LikelihoodSums

    @staticmethod
    def value(sums: Array) -> float:
        """Returns the metric."""
        return float(-sums[0] / math.log(2) / sums[2]) if sums[2] else float("nan")


class SameText(_TextMetric):
    """Share of the texts that are the reference, blanks aside."""

    sums = TextSums

    @staticmethod
    def value(sums: Array) -> float:
        """Returns the metric."""
        return float(sums[1] / sums[0])


class CorpusBleu(_TextMetric):
    """BLEU of the corpus, 0 to 100, up to four words, tokens by sacreBLEU's rule `13a`."""

    sums = TextSums

    @staticmethod
    def value(sums: Array) -> float:
        """Returns the metric."""
        return sacrebleu.score("bleu", sums[2:12])


class CorpusChrf(_TextMetric):
    """chrF2 of the corpus, 0 to 100, up to six characters, blanks left out."""

    sums = TextSums

    @staticmethod
    def value(sums: Array) -> float:
        """Returns the metric."""
        return sacrebleu.score("chrf", sums[12:])


KINDS: Sequence[type[Sums]] = (LikelihoodSums, TextSums)
