"""Pairs of sentences that translate the same one, and pairs that do not."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trainyard.components.example_gen.groups import Groups
from trainyard.components.example_gen.reader import Block
from trainyard.data import datasets, paraphrase
from trainyard.recipe_schema import Data

REAL = Path(os.environ.get("TRAINYARD_DATA_HOME", "")) / "translation/eng-fra.txt"
TRANSLATIONS = "".join(
    f"{english}\t{french}\tsource\n"
    for english, several in {
        "I'm fat.": ["Je suis gras.", "Je suis gros.", "Je suis gros !"],
        "I'm big.": ["Je suis gros.", "Je suis grand."],
        "I'm sad.": ["Je suis triste.", "Je suis malheureux."],
        "Go.": ["Va !", "Allez."],
        "Sit.": ["Assis."],
    }.items()
    for french in several
).encode()


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_pairs():
    found = rows(paraphrase.pairs(TRANSLATIONS))
    same = {frozenset((r["first"], r["second"])) for r in found if r["duplicate"] == "1"}
    other = {frozenset((r["first"], r["second"])) for r in found if r["duplicate"] == "0"}
    assert same == {
        frozenset(("Je suis gras.", "Je suis gros.")),
        frozenset(("Je suis gros.", "Je suis grand.")),
        frozenset(("Je suis triste.", "Je suis malheureux.")),
        frozenset(("Va !", "Allez.")),
    }
    assert len(found) == 2 * len(same) == len(same) + len(other)
    # gras and grand never translate the same sentence, but gros may mean either
    assert frozenset(("Je suis gras.", "Je suis grand.")) not in other
    assert paraphrase.pairs(TRANSLATIONS) == paraphrase.pairs(TRANSLATIONS)


@pytest.fixture(scope="module")
def real() -> list[dict[str, str]]:
    if not REAL.is_file():
        pytest.skip("TRAINYARD_DATA_HOME has no translation/eng-fra.txt")
    return rows(paraphrase.pairs(REAL.read_bytes()))


def test_the_real_ones_are_what_they_say(real):
    sources = defaultdict(set)
    for line in REAL.read_text("utf-8").splitlines():
        english, french, _ = line.split("\t")
        sources[" ".join(paraphrase.re.findall(r"\w+", french.casefold()))].add(english)

    def translated(sentence: str) -> set[str]:
        return sources[" ".join(paraphrase.re.findall(r"\w+", sentence.casefold()))]

    for row in real:
        assert row["first"] != row["second"]
        shared = translated(row["first"]) & translated(row["second"])
        assert bool(shared) == (row["duplicate"] == "1"), row
    assert len(real) == datasets.find("french_paraphrase").rows
    assert sum(row["duplicate"] == "1" for row in real) * 2 == len(real)


def test_words_in_common_do_not_give_the_real_ones_away(real):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import roc_auc_score

    sides = [[row[side] for row in real] for side in ("first", "second")]
    words = TfidfVectorizer().fit(itertools.chain(*sides))
    first, second = map(words.transform, sides)
    alike = np.asarray(first.multiply(second).sum(axis=1)).ravel()
    assert 0.5 < roc_auc_score([int(row["duplicate"]) for row in real], alike) < 0.7


def test_the_real_ones_can_be_split(real):
    """By the dataset's own key, no group is so large that it upsets the shares."""
    key = datasets.find("french_paraphrase").reading["key"]
    columns = {side: [row[side] for row in real] for side in key}
    block = Block(pa.RecordBatch.from_pydict(columns), Path("f"), np.arange(len(real)), 1.0)
    _, rows = np.unique(Groups(Data(path="x", key=key), [block]).of(block), return_counts=True)
    assert len(rows) > 100
    assert rows.max() < 0.1 * len(real)
