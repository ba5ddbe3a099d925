"""Text to ids of tokens and back, in TensorFlow alone: one way in Transform and in serving."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import schema_inference

from trainyard.errors import DataError
from trainyard.recipe_schema import Feature, TextFeature
from trainyard.trainer_modules.harness import columns, tft_private
from trainyard.trainer_modules.harness.token_ids import END, PADDING, START, SUFFIX, UNKNOWN, keys

__all__ = ["END", "PADDING", "START", "UNKNOWN", "keys"]

STEP = 8
"""Batches have a multiple of so many tokens: what is compiled for each length stays little."""

# Apostrophes join letters, marks belong to the sign before them; everything else stands alone.
_WORD = r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['’][\p{L}\p{M}\p{N}]+)*"
_SIGN = r"[^\s\p{L}\p{N}][\p{M}\x{200D}]*"

_BREAKS = {"\n": "␤", "\r": "␍"}
"""A vocabulary is a file of lines: as tokens, ends of lines are their Unicode pictures."""


def preprocess(
    inputs: Mapping[str, tf.Tensor | tf.SparseTensor], features: Mapping[str, Feature]
) -> dict[str, tf.Tensor]:
    """Turns the columns of text into ids, and leaves the others out.

    Args:
        inputs: Raw columns.
        features: How each becomes an input.

    Returns:
        `COLUMN_tokens`, int64 `[B, length]`, for each column of text.
    """
    text = {name: entry for name, entry in features.items() if isinstance(entry, TextFeature)}
    values = {name: columns.dense(inputs[name]) for name in text}
    return {
        key: ids(values[name], text[name], key, [values[n] for n in text[name].vocabulary_with])
        for name, key in keys(text).items()
    }


def tokenize(values: tf.Tensor, feature: TextFeature) -> tf.RaggedTensor:
    """Cuts texts into tokens.

    Args:
        values: Strings `[B]` or `[B, 1]`; bytes that are no UTF-8 count as U+FFFD.
        feature: How.

    Returns:
        Strings `[B, None]`.
    """
    text = tf.strings.unicode_transcode(tf.reshape(values, [-1]), "UTF-8", "UTF-8")
    if feature.lower:
        text = tf.strings.lower(text, "utf-8")
    tokens = _cut(text, feature.tokens)
    if feature.ngrams == 1:
        return tokens
    widths = list(range(1, feature.ngrams + 1))
    return tf.strings.ngrams(tokens, widths, separator=_separator(feature))


def _cut(text: tf.Tensor, tokens: str) -> tf.RaggedTensor:
    if tokens == "character":
        for sign, picture in _BREAKS.items():
            text = tf.strings.regex_replace(text, sign, picture)
        return tf.strings.unicode_split(text, "UTF-8")
    if tokens == "word":
        text = tf.strings.regex_replace(text, f"({_WORD}|{_SIGN})", r" \1 ")
    return tf.strings.split(tf.strings.regex_replace(text, r"[\s\p{Z}]+", " "))


def _separator(feature: TextFeature) -> str:
    return "" if feature.tokens == "character" else " "


def ids(
    values: tf.Tensor, feature: TextFeature, key: str, others: Sequence[tf.Tensor] = ()
) -> tf.Tensor:
    """Turns texts into ids, in TensorFlow Transform: it makes the vocabulary.

    Args:
        values: Strings `[B]` or `[B, 1]`; the empty one has no tokens.
        feature: How.
        key: The vocabulary's name.
        others: Texts that are counted for it too.

    Returns:
        int64 `[B, length]`.
    """
    tokens = tokenize(values, feature)
    counted = [tokens, *(tokenize(each, feature) for each in others)]
    file = tft.vocabulary(
        tf.concat([each.flat_values for each in counted], axis=0),
        top_k=feature.vocabulary,
        frequency_threshold=feature.min_count if feature.min_count > 1 else None,
        reserved_tokens=_reserved(feature),
        vocab_filename=key,
    )
    found = tft.apply_vocabulary(tokens.flat_values, file, num_oov_buckets=feature.oov_buckets)
    known = tft.get_num_buckets_for_transformed_feature(found) - feature.oov_buckets
    # Transform puts unknown tokens behind the vocabulary.
    found = tf.where(found < known, found, found - known + UNKNOWN)
    dense = _dense(tokens.with_flat_values(found), feature)
    schema_inference.set_tensor_schema_override(dense, tf.constant(0, tf.int64), known - 1)
    return dense


def table(vocabulary: Sequence[str]) -> tf.lookup.StaticHashTable:
    """Makes what finds a token's id; -1 if it has none.

    Args:
        vocabulary: As `vocabulary` returns it.
    """
    numbers = tf.range(len(vocabulary), dtype=tf.int64)
    lines = tf.lookup.KeyValueTensorInitializer(tf.constant(vocabulary, tf.string), numbers)
    return tf.lookup.StaticHashTable(lines, default_value=-1)


def ids_by(
    values: tf.Tensor, feature: TextFeature, known: Sequence[str] | tf.lookup.StaticHashTable
) -> tf.Tensor:
    """Turns texts into ids as `ids` does, where there is a vocabulary.

    Args:
        values: Strings `[B]` or `[B, 1]`.
        feature: How.
        known: As `vocabulary` or `table` returns it: a SavedModel has to track the table.

    Returns:
        int64 `[B, length]`.
    """
    tokens = tokenize(values, feature)
    ids_of = known if isinstance(known, tf.lookup.StaticHashTable) else table(known)
    found = ids_of.lookup(tokens.flat_values)
    bucket = tf.strings.to_hash_bucket_fast(tokens.flat_values, feature.oov_buckets)
    found = tf.where(found < 0, bucket + UNKNOWN, found)
    return _dense(tokens.with_flat_values(found), feature)


def _dense(tokens: tf.RaggedTensor, feature: TextFeature) -> tf.Tensor:
    """Cuts, marks and pads ids `[B, None]` to `[B, length]`."""
    room = feature.length - (2 if feature.markers else 0)
    tokens = tokens[:, :room] if feature.truncate == "end" else tokens[:, -room:]
    if feature.markers:
        one = tf.ones([tokens.nrows(), 1], tf.int64)
        tokens = tf.concat([START * one, tokens, END * one], axis=1)
    return tokens.to_tensor(PADDING, shape=[None, feature.length])


def _reserved(feature: TextFeature) -> list[str]:
    """The vocabulary's first lines; no single token of a text has a blank."""
    unknown = (f"[unknown token {n}]" for n in range(1, feature.oov_buckets + 1))
    return ["[no token]", "[start of text]", "[end of text]", *unknown]


def vocabulary(
    transform_output: tft.TFTransformOutput, key: str, feature: TextFeature
) -> list[str]:
    """Reads a vocabulary.

    Args:
        transform_output: What Transform wrote.
        key: Its name.
        feature: How it was made.

    Returns:
        The token of each id; first those that stand for no token of a text.

    Raises:
        DataError: There is no token in the training texts.
    """
    lines = [line.decode() for line in transform_output.vocabulary_by_name(key)]
    if lines[len(_reserved(feature)) :] not in ([], [tft_private.IN_EMPTY_VOCABULARY]):
        return lines
    raise DataError(
        "the vocabulary is empty: no token of the training texts is left",
        where=f"column {key.removesuffix(SUFFIX)}",
        expected=f"tokens ({feature.tokens}) that occur {feature.min_count} times or more",
        hint="look whether the texts are empty; else lower `min_count`",
    )


def lengths(tensors: Mapping[str, tf.Tensor], names: Collection[str]) -> tf.Tensor:
    """Returns the tokens of each row's longest text, int64 `[B]`.

    Args:
        tensors: Ids `[B, T]`, among others.
        names: Which of them are text; at least one.
    """
    return tf.reduce_max([_length(tensors[name]) for name in names], axis=0)


def _length(ids: tf.Tensor) -> tf.Tensor:
    places = tf.range(1, tf.shape(ids, tf.int64)[1] + 1)
    return tf.reduce_max(tf.where(tf.not_equal(ids, PADDING), places, 0), axis=1)


def trimmed(tensors: Mapping[str, tf.Tensor], names: Collection[str]) -> dict[str, tf.Tensor]:
    """Cuts padding off that all texts of a batch have.

    Args:
        tensors: Ids `[B, length]`, among others.
        names: Which of them are text.

    Returns:
        All tensors, those of text `[B, T]`; T is at least `STEP` and a multiple of it, but at
        most `length`.
    """
    return {n: _trimmed(ids) if n in names else ids for n, ids in tensors.items()}


def _trimmed(ids: tf.Tensor) -> tf.Tensor:
    longest = tf.maximum(tf.reduce_max(_length(ids)), 1)
    return ids[:, : -(-longest // STEP) * STEP]


def words(ids: tf.Tensor, vocabulary: tf.Tensor, feature: TextFeature) -> tf.Tensor:
    """Joins tokens to text again.

    Words come back with one blank between them, whatever stood there.

    Args:
        ids: int64 `[B, T]`; what follows an end marker is left out, as markers and padding are.
        vocabulary: The token of each id, strings `[V]`.
        feature: How the ids were made.

    Returns:
        Strings `[B]`.
    """
    before_end = tf.equal(tf.cumsum(tf.cast(tf.equal(ids, END), tf.int32), axis=1), 0)
    shown = tf.logical_and(before_end, ids >= UNKNOWN)
    tokens = tf.ragged.boolean_mask(tf.gather(vocabulary, ids), shown)
    text = tf.strings.reduce_join(tokens, axis=1, separator=_separator(feature))
    for sign, picture in _BREAKS.items() if feature.tokens == "character" else ():
        text = tf.strings.regex_replace(text, picture, sign)
    return text
