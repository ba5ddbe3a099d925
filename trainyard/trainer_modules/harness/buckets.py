"""Where buckets of equal size begin, with a bucket of its own for each value that fills one.

Plain quantiles collapse where one value is frequent: of a column of which 92 % are 0
all nine deciles are 0, and one bucket holds every row.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from trainyard.trainer_modules.harness import tft_private

_FINE = 1000  # quantiles that are looked at: what fewer rows have in common is no frequent value


def boundaries(values: tf.Tensor, buckets: int) -> tf.Tensor:
    """Finds the boundaries, in TensorFlow Transform.

    A value that at least one of `buckets` rows has is a bucket of its own; the other rows
    share the buckets that are left evenly.

    Args:
        values: float64 `[B, 1]`; NaN is passed over.
        buckets: How many are wanted.

    Returns:
        float64 `[1, n]`, ascending. A bucket begins with its boundary; below the first is one
        more. With frequent values there are more boundaries than `buckets - 1`.
    """
    fine = buckets * math.ceil(_FINE / buckets)
    quantiles = tf.reshape(tft_private.quantiles(values, fine, epsilon=1 / fine), [-1])
    return _spread(quantiles, buckets)[tf.newaxis]


def _spread(quantiles: tf.Tensor, buckets: int) -> tf.Tensor:
    """Chooses boundaries among many quantiles, ascending `[q]`."""
    distinct, place, counts = tf.unique_with_counts(quantiles)
    often = counts * buckets > tf.size(quantiles)
    frequent = tf.boolean_mask(distinct, often)
    others = tf.boolean_mask(quantiles, tf.logical_not(tf.gather(often, place)))
    parts = tf.maximum(buckets - tf.size(frequent), 1)
    places = tf.range(1, tf.where(tf.size(others) > 0, parts, 1)) * tf.size(others) // parts
    begins = tf.concat([frequent, _above(frequent), tf.gather(others, places)], 0)
    begins = tf.sort(tf.unique(begins).y)
    # Nothing lies below the lowest: a bucket for that would stay empty.
    return tf.boolean_mask(begins, begins > tf.reduce_min(quantiles))


def _above(values: tf.Tensor) -> tf.Tensor:
    """The next larger numbers, or nearly."""
    limits = np.finfo(values.dtype.as_numpy_dtype)
    smallest = 4 * limits.tiny  # TensorFlow takes what is below `tiny` for 0
    return values + tf.maximum(tf.abs(values) * (2 * limits.eps), smallest)
