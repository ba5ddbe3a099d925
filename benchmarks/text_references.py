"""What models that write text are held against: counting, and looking up.

The n-gram model is interpolated Kneser-Ney with three discounts (Chen and Goodman, An Empirical
Study of Smoothing Techniques for Language Modeling, 1998, "modified Kneser-Ney").
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd
from sacrebleu.metrics.chrf import CHRF

from trainyard.recipe_schema import Recipe

Scores = dict[str, float]
ORDER = 5
_START = "\x02"


@dataclass
class _Level:
    """What follows contexts of one length.

    Attributes:
        counts: Of each context with the character after it.
        total: Of each context.
        kept: What discounting takes from a context, for the shorter one to share out.
        discounts: By count: of 0, 1, 2, and 3 or more.
    """

    counts: Counter[str]
    total: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    kept: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    discounts: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        self.discounts = _discounts(Counter(self.counts.values()))
        for gram, count in self.counts.items():
            self.total[gram[:-1]] += count
            self.kept[gram[:-1]] += self.discounts[min(count, 3)]


def _discounts(of_count: Counter[int]) -> tuple[float, float, float, float]:
    """Chen and Goodman's estimates, from how many n-grams there are of each count."""
    if not all(of_count[count] for count in (1, 2, 3, 4)):
        return (0.0, 0.75, 0.75, 0.75)  # too little text to estimate
    ratio = of_count[1] / (of_count[1] + 2 * of_count[2])
    one, two, three = (n - (n + 1) * ratio * of_count[n + 1] / of_count[n] for n in (1, 2, 3))
    return (0.0, one, two, three)


class NGrams:
    """A character model that counts: each context is smoothed with the next shorter one.

    Args:
        texts: To count in; none continues another.
        order: Length of the longest n-gram.
    """

    def __init__(self, texts: Iterable[str], order: int = ORDER) -> None:
        self.order = order
        longest: Counter[str] = Counter()
        for text in texts:
            padded = _START * (order - 1) + text
            longest.update(padded[i : i + order] for i in range(len(text)))
        counts = [longest]
        for _ in range(order - 1):  # of shorter n-grams: how many different ones they end
            counts.append(Counter(gram[1:] for gram in counts[-1]))
        self._levels = [_Level(each) for each in reversed(counts)]
        self._signs = len(counts[-1]) + 1  # and one for all that were never seen

    def probability(self, context: str, sign: str) -> float:
        """How probable a character is after a text."""
        probability = 1 / self._signs
        for length, level in enumerate(self._levels):
            known = context[len(context) - length :]
            if known not in level.total:
                break
            count = level.counts[known + sign]
            own = max(count - level.discounts[min(count, 3)], 0)
            probability = (own + level.kept[known] * probability) / level.total[known]
        return probability

    def bits(self, texts: Iterable[str]) -> float:
        """Bits per character of texts.

        Args:
            texts: None continues another.
        """
        bits, characters = 0.0, 0
        for text in texts:
            padded = _START * (self.order - 1) + text
            characters += len(text)
            for i, sign in enumerate(text):
                bits -= math.log2(self.probability(padded[i : i + self.order - 1], sign))
        return bits / characters


def joined(windows: Sequence[str], positions: Sequence[int]) -> list[str]:
    """Puts windows together that follow one another.

    Args:
        windows: Of one text.
        positions: Where each begins in it.

    Returns:
        The stretches of the text that they cover.
    """
    stretches: list[str] = []
    end = None
    for position, window in sorted(zip(positions, windows, strict=True)):
        if position != end:
            stretches.append("")
        stretches[-1] += window
        end = position + len(window)
    return stretches


def looked_up(known: Sequence[tuple[str, str]], sources: Sequence[str]) -> list[str]:
    """Answers each text with the translation of the most similar one that is known.

    Args:
        known: Texts and their translations.
        sources: To be translated.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(token_pattern=r"\w+(?:['’]\w+)*|[^\w\s]")
    there = words.fit_transform([text for text, _ in known])
    nearest = (words.transform(sources) @ there.T).toarray().argmax(axis=1)
    return [known[index][1] for index in nearest]


def scores(recipe: Recipe, train: pd.DataFrame, judged: pd.DataFrame, metric: str) -> Scores:
    """What needs no network reaches on the same rows.

    Args:
        recipe: The recipe that was run.
        train: Its rows to learn from.
        judged: Those that are judged.
        metric: The recipe metric that is compared.

    Returns:
        `trivial`: single characters counted, or the most frequent text each time; `linear`: the
        n-gram model, or the translation of the nearest text.
    """
    (label,) = recipe.labels.values()
    if metric == "bits_per_character":
        told, asked = (
            joined(list(rows[label.name]), list(rows["position"])) for rows in (train, judged)
        )
        return {"trivial": NGrams(told, 1).bits(asked), "linear": NGrams(told).bits(asked)}
    (source,) = recipe.input_columns(list(train.columns))
    known = list(zip(train[source], train[label.name], strict=True))
    wanted = list(judged[label.name])
    usual = Counter(text for _, text in known).most_common(1)[0][0]
    answers = {
        "trivial": [usual] * len(wanted),
        "linear": looked_up(known, list(judged[source])),
    }
    return {name: CHRF().corpus_score(texts, [wanted]).score for name, texts in answers.items()}
