"""Raw columns as TensorFlow Transform hands them over, and what a missing value is."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

MISSING = {tf.string: "", tf.int64: tf.int64.min, tf.float32: float("nan")}
"""Stands for a missing value, per type of a raw column."""


def dense(column: tf.Tensor | tf.SparseTensor, length: int = 1) -> tf.Tensor:
    """Returns one value a row, or so many.

    Args:
        column: Sparse `[B, any]`, of which the first values of each row count,
            or dense `[B]` or `[B, length]`.
        length: How many values.

    Returns:
        `[B, length]`, with `MISSING` where there was no value.
    """
    if not isinstance(column, tf.SparseTensor):
        return tf.reshape(column, [-1, length])
    # Transform traces this some ten times a run and column: few nodes, not tf.sparse or ragged.
    values = tf.raw_ops.SparseToDense(
        sparse_indices=column.indices,
        output_shape=tf.maximum(column.dense_shape, [0, length]),
        sparse_values=column.values,
        default_value=tf.constant(MISSING[column.dtype], column.dtype),
        validate_indices=False,
    )
    return tf.ensure_shape(values[:, :length], [None, length])


def as_parsed(values: tf.Tensor, entry: Any) -> tf.Tensor | tf.SparseTensor:
    """Returns values as parsing serialized examples would give them.

    Args:
        values: One a row, `[B]`, or several, `[B, n]`, with `MISSING` where there is none.
        entry: How the column is parsed, such as `tf.io.VarLenFeature`.

    Returns:
        Sparse `[B, n]` without the missing values, or dense.
    """
    if isinstance(entry, tf.io.FixedLenFeature):
        return tf.reshape(values, [-1, *entry.shape])
    table = values[:, tf.newaxis] if values.shape.rank == 1 else values
    present = tf.where(tf.logical_not(_equals_missing(table)))  # (present, 2)
    shape = tf.shape(table, tf.int64)
    return tf.SparseTensor(present, tf.gather_nd(table, present), shape)


def _equals_missing(values: tf.Tensor) -> tf.Tensor:
    if values.dtype.is_floating:
        return tf.math.is_nan(values)
    return tf.equal(values, tf.constant(MISSING[values.dtype], values.dtype))


def is_missing(values: tf.Tensor) -> tf.Tensor:
    """Says which values are missing.

    Args:
        values: `[B, 1]`, string, int64 or float32.

    Returns:
        Boolean `[B, 1]`. An infinity counts as missing: no network can use it.
    """
    if values.dtype.is_floating:
        return tf.logical_not(tf.math.is_finite(values))
    return _equals_missing(values)


def as_number(values: tf.Tensor) -> tf.Tensor:
    """Returns float64 `[B, N]`, NaN where a value is missing.

    In 32 bits the milliseconds of a minute would be one number: narrow what has been centred.
    """
    number = tf.cast(values, tf.float64)
    return tf.where(is_missing(values), tf.constant(float("nan"), tf.float64), number)


def as_text(values: tf.Tensor) -> tf.Tensor:
    """Returns strings `[B, 1]`, as `raw_values.canonical_text` writes them; empty where missing."""
    if values.dtype == tf.string:
        return values
    text = _float_text(values) if values.dtype.is_floating else tf.strings.as_string(values)
    return tf.where(is_missing(values), "", text)


def _float_text(values: tf.Tensor) -> tf.Tensor:
    # Programs write whole numbers as floats beside missing values: 30.0 is the category 30.
    whole = tf.equal(values, tf.round(values)) & (tf.abs(values) < 2.0**63)
    digits = tf.strings.as_string(tf.cast(tf.where(whole, values, tf.zeros_like(values)), tf.int64))
    return tf.where(whole, digits, tf.strings.as_string(values, shortest=True))
