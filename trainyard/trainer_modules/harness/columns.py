"""Raw columns as TensorFlow Transform hands them over, and what a missing value is."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

MISSING = {tf.string: "", tf.int64: tf.int64.min, tf.float32: float("nan")}
"""Stands for a missing value, per type of a raw column."""


def dense(column: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns one value a row.

    Args:
        column: Sparse `[B, any]`, of which the first value of each row counts,
            or dense `[B]` or `[B, 1]`.

    Returns:
        `[B, 1]`, with `MISSING` where there was no value.
    """
    if not isinstance(column, tf.SparseTensor):
        return tf.reshape(column, [-1, 1])
    # Transform traces this some ten times a run and column: few nodes, not tf.sparse or ragged.
    values = tf.raw_ops.SparseToDense(
        sparse_indices=column.indices,
        output_shape=tf.maximum(column.dense_shape, [0, 1]),
        sparse_values=column.values,
        default_value=tf.constant(MISSING[column.dtype], column.dtype),
        validate_indices=False,
    )
    return tf.ensure_shape(values[:, :1], [None, 1])


def as_parsed(values: tf.Tensor, entry: Any) -> tf.Tensor | tf.SparseTensor:
    """Returns values as parsing serialized examples would give them.

    Args:
        values: One a row, `[B]`, with `MISSING` where there is none.
        entry: How the column is parsed, such as `tf.io.VarLenFeature`.

    Returns:
        Sparse `[B, 1]` without the missing values, or dense.
    """
    if isinstance(entry, tf.io.FixedLenFeature):
        return tf.reshape(values, [-1, *entry.shape])
    present = tf.where(tf.logical_not(_equals_missing(values)))  # (present, 1)
    rows = tf.shape(values, tf.int64)[0]
    indices = tf.pad(present, [[0, 0], [0, 1]])
    return tf.SparseTensor(indices, tf.gather_nd(values, present), tf.stack([rows, 1]))


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
    """Returns float32 `[B, 1]`, NaN where a value is missing."""
    number = tf.cast(values, tf.float32)
    return tf.where(is_missing(values), tf.constant(float("nan")), number)


def as_text(values: tf.Tensor) -> tf.Tensor:
    """Returns strings `[B, 1]`, empty where a value is missing."""
    if values.dtype == tf.string:
        return values
    shortest = {"shortest": True} if values.dtype.is_floating else {}
    return tf.where(is_missing(values), "", tf.strings.as_string(values, **shortest))
