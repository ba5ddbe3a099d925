"""Metrics of text: what sacreBLEU says of a corpus, in any slice, by TFMA and by columns."""

import importlib.metadata
import math
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from trainyard.components.evaluator import sacrebleu_private, text_metrics

WRITTEN = [
    "Je suis là .",
    "Tu as froid ?",
    "",
    "Elle rit .",
    "Il est très, très grand aujourd'hui.",
]
WANTED = ["Je suis là.", "As-tu froid ?", "Oui.", "Elle a ri .", "Il est très grand aujourd'hui."]


def _answers(rows: slice = slice(None)) -> dict[str, Any]:
    encode = np.vectorize(lambda text: text.encode(), otypes=[object])
    return {
        "predictions": encode(WRITTEN)[rows, np.newaxis],
        "reference": encode(WANTED)[rows, np.newaxis],
        "likelihood": np.array([[-8, 4, 11], [-4, 5, 13], [-2, 2, 4], [-6, 4, 11], [-9, 8, 30]])[
            rows
        ].astype(np.float32),
    }


def _value(metric: Any, rows: slice = slice(None)) -> float:
    return float(metric.value(metric.sums.counts(_answers(rows)).sum(axis=0)))


def test_the_pinned_version_is_installed() -> None:
    assert importlib.metadata.version("sacrebleu") in sacrebleu_private.__doc__


@pytest.mark.parametrize("rows", [slice(None), slice(0, 2), slice(1, 4), slice(4, 5)])
def test_sums_over_rows_give_the_scores_of_the_corpus(rows: slice) -> None:
    texts, references = WRITTEN[rows], [WANTED[rows]]
    assert _value(text_metrics.CorpusBleu, rows) == BLEU().corpus_score(texts, references).score
    assert _value(text_metrics.CorpusChrf, rows) == CHRF().corpus_score(texts, references).score


def test_a_text_that_is_right_but_for_its_blanks_counts_as_right() -> None:
    assert _value(text_metrics.SameText) == pytest.approx(1 / 5)
    assert _value(text_metrics.SameText, slice(0, 1)) == 1


def test_likelihood_counts_by_token_and_by_character() -> None:
    assert _value(text_metrics.Perplexity) == pytest.approx(math.exp(29 / 23))
    assert _value(text_metrics.BitsPerCharacter) == pytest.approx(29 / math.log(2) / 69)


@pytest.mark.parametrize("kind", text_metrics.KINDS)
def test_accumulators_merge_in_any_order(kind: type[text_metrics.Sums]) -> None:
    combiner = kind(None)
    parts = list(kind.counts(_answers()))
    whole = combiner.merge_accumulators(parts)
    halves = [combiner.merge_accumulators(parts[:2]), combiner.merge_accumulators(parts[2:])]
    np.testing.assert_array_equal(whole, combiner.merge_accumulators(halves[::-1]))
