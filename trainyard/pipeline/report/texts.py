"""The report's part on texts: what is left of them as tokens, and of whose words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainyard.components.records import arrow_examples, tfrecord_blocks
from trainyard.pipeline import records
from trainyard.pipeline.records import RunRecord
from trainyard.pipeline.verdict import finished_output
from trainyard.recipe_schema import Recipe, TextFeature
from trainyard.trainer_modules.harness.token_ids import PADDING, UNKNOWN, keys

MOST_BYTES = 64 << 20
MOST_TOKENS = 30


@dataclass(frozen=True)
class Tokens:
    """The texts of one split as the model is given them.

    Attributes:
        texts: How many were looked at.
        mean: Tokens of a text, markers included, on average.
        longest: Tokens of the longest.
        full: Share of texts that fill the feature's length; longer ones lost tokens.
        empty: Share of texts without a token.
        unknown: Share of tokens that are not in the vocabulary.
    """

    texts: int
    mean: float
    longest: int
    full: float
    empty: float
    unknown: float


@dataclass(frozen=True)
class TextColumn:
    """One column of text.

    Attributes:
        name: Its name.
        splits: Its tokens, by split.
        vocabulary: How many tokens are known.
        frequent: The most frequent of them.
        overlap: How the vocabulary goes with an earlier run's, in words; empty if there is none.
    """

    name: str
    splits: dict[str, Tokens]
    vocabulary: int
    frequent: list[str]
    overlap: str


def text_columns(record: RunRecord, recipe: Recipe) -> list[TextColumn]:
    """Describes the columns of text; there are none before Transform has ended.

    Args:
        record: The run.
        recipe: The recipe that was run.
    """
    graph = finished_output(record, "Transform", "transform_graph")
    examples = finished_output(record, "Transform", "transformed_examples")
    if graph is None or examples is None:
        return []
    texts = {n: f for n, f in recipe.features.items() if isinstance(f, TextFeature)}
    named, earlier = keys(texts), _earlier(record, graph)
    splits = sorted(examples.glob("Split-*"), key=lambda split: split.name != "Split-train")
    return [
        _column(name, texts[name], key, graph, splits, earlier)
        for name, key in named.items()
        if _vocabulary_file(graph, key).exists()  # a label has another key
    ]


def _column(
    name: str,
    feature: TextFeature,
    key: str,
    graph: Path,
    splits: list[Path],
    earlier: tuple[str, Path] | None,
) -> TextColumn:
    words = _vocabulary(graph, key, feature)
    return TextColumn(
        name,
        {split.name.removeprefix("Split-"): _tokens(split, key, feature) for split in splits},
        len(words),
        words[:MOST_TOKENS],
        _overlap(words, key, feature, *earlier) if earlier else "",
    )


def _vocabulary_file(graph: Path, key: str) -> Path:
    return graph / "transform_fn" / "assets" / key


def _vocabulary(graph: Path, key: str, feature: TextFeature) -> list[str]:
    """The known tokens; none if that graph has no such vocabulary."""
    file = _vocabulary_file(graph, key)
    lines = file.read_text("utf-8", errors="replace").split("\n") if file.exists() else []
    return lines[UNKNOWN + feature.oov_buckets : -1]


def _tokens(split: Path, key: str, feature: TextFeature) -> Tokens:
    """Counts the first rows' tokens, up to `MOST_BYTES` of ids."""
    lengths: list[Any] = [np.zeros(0, np.int64)]
    unknown = seen = 0
    for batch, _ in arrow_examples.record_batches(tfrecord_blocks.shards(split)):
        ids = np.asarray(batch.column(key).flatten()).reshape(len(batch), -1)  # (B, length)
        lengths.append(np.count_nonzero(ids != PADDING, axis=1))
        unknown += np.count_nonzero((ids >= UNKNOWN) & (ids < UNKNOWN + feature.oov_buckets))
        seen += ids.nbytes
        if seen > MOST_BYTES:
            break
    tokens = np.concatenate(lengths)
    rows, total = max(1, len(tokens)), int(tokens.sum())
    return Tokens(
        len(tokens),
        total / rows,
        int(tokens.max(initial=0)),
        np.count_nonzero(tokens == feature.length) / rows,
        np.count_nonzero(tokens <= 2 * feature.markers) / rows,
        unknown / max(1, total - 2 * feature.markers * rows),
    )


def _earlier(record: RunRecord, graph: Path) -> tuple[str, Path] | None:
    """The newest run before this one that made another vocabulary, and its graph."""
    for run in records.all_runs(record.recipe):
        found = finished_output(run, "Transform", "transform_graph") if run.id < record.id else None
        if found is not None and found != graph and found.exists():
            return run.id, found
    return None


def _overlap(words: list[str], key: str, feature: TextFeature, run: str, graph: Path) -> str:
    before = set(_vocabulary(graph, key, feature))
    if not before:
        return ""
    both = len(before.intersection(words))
    return (
        f"{100 * both / max(1, len(words)):.0f} % of the tokens were in the vocabulary of run "
        f"{run}; {100 * both / len(before):.0f} % of those are in this one"
    )
