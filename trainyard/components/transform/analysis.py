"""TFT's analyzers in this process: one pass over the data a phase, batch by batch.

An analyzer is a small graph of nodes: a source of tensors, something that
accumulates them, and steps that end in the value of a tensor. Sources and
accumulators see every batch; the steps run once, after the last.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainyard.components.transform import tft_private as tft

Arrays = tuple[npt.NDArray[Any], ...]
"""One batch of each of an analyzer's inputs."""

Counts = list[tuple[Any, Any]]
"""Pairs of a count (or weight) and its token."""


class Unsupported(Exception):  # noqa: N818  # not an error: stock takes over
    """A preprocessing_fn needs what only stock's executor can do."""


class Accumulator(Protocol):
    """Takes an analyzer's inputs in."""

    def add(self, values: Arrays) -> None:
        """Takes one batch of each input."""

    def result(self) -> Any:
        """Returns what has come together."""


class Combined:
    """What one of TFT's own combiners makes of the batches."""

    def __init__(self, node: Any) -> None:
        self._combiner = node.combiner
        self._state = self._combiner.create_accumulator()

    def add(self, values: Arrays) -> None:
        """Folds one batch in."""
        self._state = self._combiner.add_input(self._state, values)

    def result(self) -> Any:
        """Returns the combiner's accumulator."""
        return self._combiner.compact(self._state)


class Tokens:
    """How often each token occurs, or the sum of its weights."""

    def __init__(self, node: Any) -> None:
        if node.vocab_ordering_type not in (tft.FREQUENCY, tft.WEIGHTED_FREQUENCY):
            raise Unsupported("a vocabulary that is ordered by mutual information")
        self._counts: Counter[Any] = Counter()

    def add(self, values: Arrays) -> None:
        """Counts one batch's tokens; a second array holds their weights."""
        if len(values) == 1:
            self._counts.update(values[0].tolist())
            return
        for token, weight in zip(*(array.tolist() for array in values), strict=True):
            self._counts[token] += weight

    def result(self) -> Counter[Any]:
        """Returns the counts by token."""
        return self._counts


ACCUMULATORS: dict[type, Callable[[Any], Accumulator]] = {
    tft.Accumulate: Combined,
    tft.VocabularyAccumulate: Tokens,
}


@dataclass
class Phase:
    """The analyzers whose inputs depend on raw columns and earlier results only.

    Args:
        traced: The graph they are in.
        folder: Where vocabularies are written until the SavedModel takes them.

    Raises:
        Unsupported: One of them is of a kind not known here.
    """

    traced: tft.Traced
    folder: Path

    def __post_init__(self) -> None:
        self._sinks = self.traced.ready()
        self._sources: list[Sequence[tf.Tensor]] = []
        self._accumulators: dict[str, tuple[int, Accumulator]] = {}
        tft.evaluate(self._sinks, self._plan)
        tensors = [tensor for source in self._sources for tensor in source]
        self.columns = sorted(self.traced.columns_for(tensors))

    def run(self, batches: Iterable[tft.Tensors]) -> dict[str, tf.Tensor]:
        """Analyzes the data.

        Args:
            batches: Tensors of `columns`, `[B, ...]`.

        Returns:
            Each analyzer's result, by the name of the tensor that takes it.
        """
        sources = self.traced.function_to(self.columns, self._sources)
        for batch in batches:
            flat = tf.nest.flatten([batch[name] for name in self.columns], expand_composites=True)
            values = [tuple(tensor.numpy() for tensor in source) for source in sources(*flat)]
            for index, accumulator in self._accumulators.values():
                accumulator.add(values[index])
        results = tft.evaluate(self._sinks, self._finish)
        return {
            sink.tensor.name: tf.constant(value, sink.tensor.dtype)
            for sink, value in zip(self._sinks, results, strict=True)
        }

    def _plan(self, node: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Notes sources and accumulators; a source's value is its index."""
        if isinstance(node, tft.Source):
            self._sources.append(node.tensors)
            return (len(self._sources) - 1,)
        if make := ACCUMULATORS.get(type(node)):
            self._accumulators[node.label] = (inputs[0], make(node))
        elif type(node) not in STEPS:
            raise Unsupported(f"an analyzer of the kind {type(node).__name__}")
        if isinstance(node, tft.VocabularyPrune) and node.key_fn:
            raise Unsupported("a vocabulary with a share for each key")
        return tuple(None for _ in range(node.num_outputs))

    def _finish(self, node: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        if isinstance(node, tft.Source):
            return (None,)
        if node.label in self._accumulators:
            return (self._accumulators[node.label][1].result(),)
        outputs: tuple[Any, ...] = STEPS[type(node)](self, node, *inputs)
        return outputs


def _merge(phase: Phase, node: Any, state: Any) -> tuple[Any, ...]:
    del phase
    return (node.combiner.extract_output(node.combiner.merge_accumulators([state])),)


def _extract(phase: Phase, node: Any, outputs: Sequence[Any]) -> tuple[Any, ...]:
    del phase, node
    return tuple(outputs)


def _swap(phase: Phase, node: Any, counts: Counter[Any]) -> tuple[Counts]:
    del phase, node
    return ([(count, token) for token, count in counts.items()],)


def _prune(phase: Phase, node: Any, counts: Counts) -> tuple[Counts]:
    del phase
    kept = [pair for pair in counts if pair[0] >= node.frequency_threshold]
    if node.input_dtype != tf.string.name:
        kept = [(count, str(token).encode()) for count, token in kept]
    if node.top_k is None:
        return (kept,)
    return (tft.vocabulary_or_dummy(heapq.nlargest(node.top_k, kept), node.input_dtype),)


def _count(phase: Phase, node: Any, counts: Counts) -> tuple[np.int64]:
    del phase, node
    return (np.int64(max(len(counts), 1)),)  # an empty vocabulary is written with a dummy


def _reserved(phase: Phase, node: Any) -> tuple[list[bytes]]:
    return (phase.traced.reserved_tokens(node.name),)


def _write(phase: Phase, node: Any, counts: Counts, reserved: Sequence[bytes] = ()) -> tuple[str]:
    taken = set(reserved)
    rest = [pair for pair in counts if pair[1] not in taken]
    if node.fingerprint_shuffle:
        rest.sort(key=lambda pair: hashlib.sha1(pair[1]).digest())  # as TFT does
    else:
        rest.sort(reverse=True)  # of equal counts, the greater token first
    pairs = tft.vocabulary_or_dummy([(-1, token) for token in reserved] + rest, node.input_dtype)
    lines = [tft.line_with_count(*pair) if node.store_frequency else pair[1] for pair in pairs]
    return (str(_file(phase.folder, node, lines)),)


def _file(folder: Path, node: Any, lines: Sequence[bytes]) -> Path:
    file = folder / str(node.vocab_filename)
    file.parent.mkdir(parents=True, exist_ok=True)
    if node.file_format == "text":
        file.write_bytes(b"".join(line + b"\n" for line in lines))
        return file
    file = file.with_name(f"{file.name}.tfrecord.gz")
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for line in lines:
            writer.write(line)
    return file


STEPS: dict[type, Callable[..., tuple[Any, ...]]] = {
    tft.Merge: _merge,
    tft.Extract: _extract,
    tft.VocabularyMerge: _swap,
    tft.VocabularyPrune: _prune,
    tft.VocabularyCount: _count,
    tft.VocabularyWrite: _write,
    tft.ReservedTokens: _reserved,
}
