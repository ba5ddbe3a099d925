"""Models that write text: what they answer, how likely a text is to them, text on request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from numpy.typing import NDArray

from trainyard.recipe_schema import ONLY, TextFeature
from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import columns, generation, names, texts
from trainyard.trainer_modules.harness.description import Description
from trainyard.trainer_modules.harness.export import Signature
from trainyard.trainer_modules.harness.generation import Decoder, Sampling
from trainyard.trainer_modules.harness.inputs import BLOCK_ROWS, Examples, spread

LIMIT = 10_000
"""Characters of a prompt, and tokens of an answer, at most: a server must stay responsive."""

WIDEST = 32
"""Candidates of a beam search at most."""

TEXT = "text"

LOOKS = "attention.json"
ROWS = 10
"""Texts of which the report shows where the decoder looked."""

Tensors = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class Codec:
    """How text becomes ids, and ids text.

    Attributes:
        feature: How text is cut.
        vocabulary: The token of each id.
    """

    feature: TextFeature
    vocabulary: Sequence[str]

    @property
    def known(self) -> int:
        """The first id that stands for a token of the training texts."""
        return texts.UNKNOWN + self.feature.oov_buckets

    @cached_property
    def table(self) -> tf.lookup.StaticHashTable:
        """Finds the id of a token."""
        return texts.table(self.vocabulary)

    def ids(self, values: tf.Tensor) -> tf.Tensor:
        """Returns ids int64 `[B, T]` of strings `[B]`, none cut off that is in `LIMIT`."""
        whole = self.feature.model_copy(update={"length": LIMIT})
        return trimmed(texts.ids_by(values, whole, self.table))

    def text(self, ids: tf.Tensor) -> tf.Tensor:
        """Returns strings `[B]` of ids `[B, T]`."""
        return texts.words(ids, tf.constant(self.vocabulary), self.feature)

    def characters(self, ids: tf.Tensor) -> tf.Tensor:
        """Counts the characters, int32 `[B]`, that ids `[B, T]` stand for: 1 if unknown."""
        of_id = [0, 0, 0, *[1] * self.feature.oov_buckets]
        of_id += [len(token) for token in self.vocabulary[self.known :]]
        letters = tf.reduce_sum(tf.gather(tf.constant(of_id), ids), axis=1)
        if self.feature.tokens == "character":
            return letters
        tokens = tf.math.count_nonzero(ids >= texts.UNKNOWN, axis=1, dtype=tf.int32)
        return letters + tf.maximum(tokens - 1, 0)  # blanks between


def trimmed(ids: tf.Tensor) -> tf.Tensor:
    """Cuts off columns of ids `[B, T]` in which there is nothing but padding, save the first."""
    used = tf.reduce_max(tf.math.count_nonzero(ids, axis=1, dtype=tf.int32))
    return ids[:, : tf.maximum(used, 1)]


@dataclass(frozen=True)
class Writer:
    """A model that writes text.

    Attributes:
        model: It gives logits `[B, T, V]` of a label's tokens.
        decoder: The same, a token at a time.
        source: How its one input becomes ids.
        target: How its label does.
        key: The name of that input among the transformed features.
        label: The raw label's name.
    """

    model: keras.Model
    decoder: Decoder
    source: Codec
    target: Codec
    key: str
    label: str

    @cached_property
    def never(self) -> NDArray[np.bool_]:
        """Ids that are never written, boolean `[V]`: padding, a start, unknown tokens."""
        ids = range(len(self.target.vocabulary))
        ends = (texts.END,) if self.target.feature.markers else ()
        return np.array([id < self.target.known and id not in ends for id in ids])

    @property
    def length(self) -> int:
        """Tokens that are written where nothing else is said: as many as a label has."""
        return self.target.feature.length

    def text(self, features: Tensors) -> tf.Tensor:
        """Writes the most probable token each time.

        Args:
            features: Transformed, `[B, ...]`.

        Returns:
            Strings `[B, 1]`.
        """
        read = {self.key: trimmed(features[self.key])}
        written = generation.sample(self.decoder, read, self.length, self.never)
        return self.target.text(written)[:, tf.newaxis]

    def likelihood(self, features: Tensors) -> tf.Tensor:
        """Measures how likely labels are.

        Args:
            features: Transformed, `[B, ...]`, the label among them.

        Returns:
            float32 `[B, 3]`: the natural logarithm of the label's probability, its tokens (an
            end counts as one), and its characters.
        """
        label = trimmed(features[names.LABEL])
        told = {self.key: features[self.key], names.LABEL: label}
        if names.LABEL not in self.model.input:  # what it is to predict is what it reads
            told = {self.key: trimmed(features[self.key])}
        shares = tf.nn.log_softmax(self.model(told, training=False))
        given = tf.gather(shares[:, : tf.shape(label)[1]], label, batch_dims=2)
        counts = tf.cast(label != texts.PADDING, tf.float32)
        sums = [tf.reduce_sum(given * counts, axis=1), tf.reduce_sum(counts, axis=1)]
        characters = tf.cast(self.target.characters(label), tf.float32)
        return tf.stack([*sums, characters], axis=1)

    def serving_fn(self, features: Tensors) -> dict[str, tf.Tensor]:
        """Answers transformed features with `predictions`, strings `[B, 1]`."""
        return {names.PREDICTIONS: self.text(features)}

    def signatures(self) -> dict[str, Signature]:
        """What can be asked of it beside `serving_default`."""
        prompt = tf.TensorSpec([None], tf.string, name="prompt")
        scalars = {
            "length": tf.int32,
            "temperature": tf.float32,
            "top_k": tf.int32,
            "top_p": tf.float32,
            "seed": tf.int64,
            "beams": tf.int32,
        }
        options = [tf.TensorSpec([], kind, name=name) for name, kind in scalars.items()]
        tables = (self.source.table,)
        made = {
            names.EVALUATION: Signature(self.evaluation),
            "generate": Signature(self.generate, (prompt, *options), tables),
        }
        if hasattr(self.decoder, "weights"):
            made["attention"] = Signature(self.attention, (prompt,), tables)
        return made

    def evaluation(self, features: Tensors, raw: Tensors) -> dict[str, tf.Tensor]:
        """What metrics of text need to know.

        Args:
            features: Transformed, the label among them.
            raw: Raw columns.

        Returns:
            `predictions`, what the model writes, and `reference`, the label, strings `[B, 1]`;
            `likelihood`, as the method of this name.
        """
        return {
            **self.serving_fn(features),
            names.REFERENCE: columns.dense(raw[self.label]),
            names.LIKELIHOOD: self.likelihood(features),
        }

    def generate(
        self,
        prompt: tf.Tensor,
        length: tf.Tensor,
        temperature: tf.Tensor,
        top_k: tf.Tensor,
        top_p: tf.Tensor,
        seed: tf.Tensor,
        beams: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Writes text as a client asks for it.

        Args:
            prompt: Strings `[B]`, `LIMIT` characters at most.
            length: Tokens at most, up to `LIMIT`.
            temperature: 0: the most probable token each time.
            top_k: 0: of all tokens.
            top_p: 1: of all tokens.
            seed: Of what is drawn.
            beams: More than 1: a beam search with so many candidates; nothing is drawn then.

        Returns:
            `text`, strings `[B]`.
        """
        checks = [
            *_within(tf.strings.length(prompt, "UTF8_CHAR"), 0, LIMIT, "characters of the prompt"),
            *_within(length, 1, LIMIT, "length"),
            *_within(temperature, 0.0, 100.0, "temperature"),
            *_within(top_k, 0, tf.int32.max, "top_k"),
            *_within(top_p, 1e-6, 1.0, "top_p"),
            *_within(beams, 1, WIDEST, "beams"),
        ]
        with tf.control_dependencies(checks):
            read = {self.key: self.source.ids(tf.identity(prompt))}
        sampling = Sampling(temperature, top_k, top_p, seed)
        written = tf.cond(
            beams > 1,
            lambda: generation.beam_search(self.decoder, read, length, self.never, beams),
            lambda: generation.sample(self.decoder, read, length, self.never, sampling),
        )
        return {TEXT: self.target.text(written)}

    def looked(self, features: Tensors) -> list[dict[str, Any]]:
        """Notes what is written and where the decoder looks, for people.

        Args:
            features: Transformed, `[B, ...]`, the label among them.

        Returns:
            For each row the tokens that were `read` and `written`, `weights` with a list for each
            of the latter, and what is `wanted`; nothing if it does not look anywhere.
        """
        if not hasattr(self.decoder, "weights"):
            return []
        read = {self.key: trimmed(features[self.key])}
        written = generation.sample(self.decoder, read, self.length, self.never)
        weights = self.decoder.weights(read | {names.LABEL: written})
        return [
            {
                "read": list(filter(None, there)),
                "written": list(filter(None, made)),
                "weights": [row[: len(there)] for row in shares[: len(made)]],
                "wanted": wanted.decode(),
            }
            for there, made, shares, wanted in zip(
                _words(self.source, read[self.key]),
                _words(self.target, written),
                weights.numpy().round(3).tolist(),
                self.target.text(features[names.LABEL]).numpy(),
                strict=True,
            )
        ]

    def attention(self, prompt: tf.Tensor) -> dict[str, tf.Tensor]:
        """Writes the most probable text, and shows where the model looked.

        Args:
            prompt: Strings `[B]`.

        Returns:
            `text`, strings `[B]`; `read` `[B, S]` and `written` `[B, T]`, tokens, empty where
            there is none; `weights` `[B, T, S]`.
        """
        checks = _within(
            tf.strings.length(prompt, "UTF8_CHAR"), 0, LIMIT, "characters of the prompt"
        )
        with tf.control_dependencies(checks):
            read = {self.key: self.source.ids(tf.identity(prompt))}
        written = generation.sample(self.decoder, read, self.length, self.never)
        weights: Callable[..., tf.Tensor] = self.decoder.weights  # type: ignore[attr-defined]
        return {
            TEXT: self.target.text(written),
            "read": _tokens(self.source, read[self.key]),
            "written": _tokens(self.target, written),
            "weights": weights(read | {names.LABEL: written}),
        }


def of(model: keras.Model, told: Description, transform_output: tft.TFTransformOutput) -> Writer:
    """Makes a writer of a trained model.

    Args:
        model: With logits of tokens.
        told: What it expects and answers.
        transform_output: What Transform wrote, the vocabularies among it.
    """
    module: Any = registry.find(told.module)
    head = told.heads[ONLY]
    ((column, source),) = told.texts.items()
    key = texts.keys(told.texts)[column]
    assert head.text

    def codec(feature: TextFeature, name: str) -> Codec:
        return Codec(feature, texts.vocabulary(transform_output, name, feature))

    return Writer(
        model,
        module.Decoder(model),
        codec(source, key),
        codec(head.text, names.LABEL),
        key,
        head.label,
    )


def _tokens(codec: Codec, ids: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.constant(["", *codec.vocabulary[1:]]), ids)


def _words(codec: Codec, ids: tf.Tensor) -> list[list[str]]:
    tokens = _tokens(codec, ids).numpy().tolist()
    return [[token.decode() for token in row if token] for row in tokens]


def write_looks(model_run: Path, writer: Writer, held_out: Examples) -> None:
    """Writes where a decoder looks in some of the held-out texts.

    Args:
        model_run: The Trainer's folder; the file is `LOOKS`.
        writer: The trained model.
        held_out: Transformed examples.
    """
    block = next(iter(held_out.batches(BLOCK_ROWS)))
    looks = writer.looked({name: spread(tensor, ROWS) for name, tensor in block.items()})
    if looks:
        content = json.dumps(looks, ensure_ascii=False)
        (model_run / LOOKS).write_text(content, encoding="utf-8")


def _within(values: tf.Tensor, low: Any, high: Any, what: str) -> list[tf.Operation]:
    """Checks inside the graph: a server answers INVALID_ARGUMENT and goes on."""
    fits = tf.reduce_all(tf.logical_and(values >= low, values <= high))
    limits = f"{what}: expected {low} to {high}, received at most"
    check = tf.debugging.Assert(fits, [limits, tf.reduce_max(values), tf.reduce_min(values)])
    return [check] if check is not None else []
