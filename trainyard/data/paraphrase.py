"""Pairs of sentences of one language, made of translations into it.

Two sentences are duplicates if they translate the same sentence. Of the other
pairs, half are the ones most alike, so that words in common do not give the
answer away. Sentences come in small clusters, and both sides of a pair are of
one cluster: split by `key: [first, second]`, no sentence is in two splits.
"""

from __future__ import annotations

import csv
import io
import itertools
import random
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

_SEED = 20
_NEIGHBOURS = 20
"""So many of the sentences most like it are what one is to be told from, if not of its meaning."""

_CLUSTER = 60
"""Sentences of a cluster at most, but for those of one meaning."""

Pair = tuple[str, str]


def pairs(translations: bytes) -> bytes:
    """Makes pairs, as many duplicates as others in every cluster.

    Sentences that differ only in punctuation or capitals count as one.

    Args:
        translations: UTF-8; a sentence, a tab, its translation, and what is of no matter.

    Returns:
        CSV: `first`, `second`, and `duplicate`, which is 0 or 1.
    """
    groups = _translations(translations.decode())
    duplicates = [_pair(*pair) for group in groups for pair in itertools.combinations(group, 2)]
    meanings = _Sets(itertools.chain.from_iterable(groups))
    for pair in duplicates:
        meanings.join(*pair)
    alike = [pair for pair in _alike(list(meanings)) if not meanings.together(*pair)]
    clusters = meanings.copy()
    for pair in alike:
        if clusters.size(pair[0]) + clusters.size(pair[1]) <= _CLUSTER:
            clusters.join(*pair)
    chance = random.Random(_SEED)
    rows = []
    for cluster in clusters.lists():
        for pair in _drawn(cluster, meanings, set(duplicates), set(alike), chance):
            first, second = chance.sample(pair, 2)
            rows.append((first, second, int(meanings.together(*pair))))
    return _written(rows)


def _pair(one: str, other: str) -> Pair:
    return (one, other) if one < other else (other, one)


def _translations(text: str) -> list[list[str]]:
    """The translations of each sentence, each spelled as it is at first."""
    spelled: dict[str, str] = {}
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for line in filter(None, text.split("\n")):
        sentence, translation, *_ = line.split("\t")
        plain = " ".join(re.findall(r"\w+", translation.casefold()))
        found[sentence][spelled.setdefault(plain, translation)] = None
    return [list(group) for group in found.values()]


class _Sets:
    """Sentences in disjoint sets.

    Args:
        sentences: Each is a set at first; one that comes twice is one.
    """

    def __init__(self, sentences: Iterable[str]) -> None:
        self._sets = {sentence: [sentence] for sentence in sentences}

    def __iter__(self) -> Iterator[str]:
        return iter(self._sets)

    def join(self, one: str, other: str) -> None:
        if not self.together(one, other):
            joined = self._sets[one]
            joined += self._sets[other]
            self._sets |= dict.fromkeys(joined, joined)

    def together(self, one: str, other: str) -> bool:
        return self._sets[one] is self._sets[other]

    def size(self, sentence: str) -> int:
        return len(self._sets[sentence])

    def lists(self) -> list[list[str]]:
        return list({id(each): each for each in self._sets.values()}.values())

    def copy(self) -> _Sets:
        copied = _Sets(())
        for each in self.lists():
            joined = list(each)
            copied._sets |= dict.fromkeys(joined, joined)
        return copied


def _alike(sentences: Sequence[str]) -> list[Pair]:
    """Pairs of sentences that have much of their spelling in common, the most alike first."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import NearestNeighbors

    spelling = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit_transform(sentences)
    count = min(_NEIGHBOURS + 1, len(sentences))
    near = NearestNeighbors(n_neighbors=count, metric="cosine").fit(spelling)
    distances, places = near.kneighbors(spelling)
    found = {
        (min(one, other), max(one, other)): round(distance, 6)
        for one, row in enumerate(places.tolist())
        for other, distance in zip(row, distances[one].tolist(), strict=True)
        if one != other
    }
    ordered = sorted(found, key=lambda pair: (found[pair], pair))
    return [_pair(sentences[one], sentences[other]) for one, other in ordered]


def _drawn(
    cluster: Sequence[str],
    meanings: _Sets,
    duplicates: Collection[Pair],
    alike: Collection[Pair],
    chance: random.Random,
) -> Iterator[Pair]:
    """Draws as many duplicates as others, half of which are alike if there are so many."""
    every = list(itertools.starmap(_pair, itertools.combinations(cluster, 2)))
    same = [pair for pair in every if pair in duplicates]
    other = [pair for pair in every if not meanings.together(*pair)]
    hard = [pair for pair in other if pair in alike]
    count = min(len(same), len(other))
    yield from chance.sample(same, count)
    chosen = chance.sample(hard, min(len(hard), (count + 1) // 2))
    yield from chosen
    rest = sorted(set(other) - set(chosen))
    yield from chance.sample(rest, count - len(chosen))


def _written(rows: Iterable[tuple[str, str, int]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("first", "second", "duplicate"))
    writer.writerows(rows)
    return text.getvalue().encode()
