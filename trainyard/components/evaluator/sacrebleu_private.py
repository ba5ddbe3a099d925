"""All that we use of sacreBLEU beyond its public face. Pinned to sacrebleu 2.6.0.

Its public functions score a list of texts; sums over slices need what it counts in each text.
`tests/components/evaluator/test_text_metrics.py` fails when any of it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

Array = NDArray[np.float64]

LENGTHS = {"bleu": 10, "chrf": 18}
"""How many numbers are counted in a text."""


@cache
def _metric(name: str) -> Any:
    return BLEU() if name == "bleu" else CHRF()


def counts(name: str, texts: Sequence[str], references: Sequence[str]) -> Array:
    """Counts what texts have in common with references, one each.

    Args:
        name: `bleu` or `chrf`.
        texts: What a model wrote.
        references: What it should have written.

    Returns:
        Of shape `(texts, LENGTHS[name])`; sums over texts are those of a corpus.
    """
    found = _metric(name)._extract_corpus_statistics(texts, [references])
    return np.array(found, float).reshape(len(texts), LENGTHS[name])


def score(name: str, summed: Array) -> float:
    """The score of a corpus, 0 to 100.

    Args:
        name: `bleu` or `chrf`.
        summed: Counts, `(LENGTHS[name],)`.
    """
    whole = [int(number) for number in summed]
    return float(_metric(name)._compute_score_from_stats(whole).score)
