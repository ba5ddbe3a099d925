"""Where buckets of equal size begin, with a bucket of its own for each value that fills one.

Plain quantiles collapse where one value is frequent: of a column of which 92 % are 0
all nine deciles are 0, and one bucket holds every row.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainyard.trainer_modules.harness import tft_private

Array = NDArray[np.float64]

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
    return tft_private.of_quantiles(values, fine, functools.partial(_spread, buckets=buckets))


def _spread(quantiles: Array, buckets: int) -> Array:
    """Chooses boundaries among many quantiles, ascending `(q,)`."""
    distinct, counts = np.unique(quantiles, return_counts=True)
    frequent = distinct[counts * buckets > len(quantiles)]
    others = quantiles[~np.isin(quantiles, frequent)]
    parts = max(buckets - len(frequent), 1)
    evenly = others[np.arange(1, parts) * len(others) // parts] if len(others) else others
    begins = np.unique(np.concatenate([frequent, _above(frequent), evenly]))
    # Nothing lies below the lowest: a bucket for that would stay empty.
    chosen: Array = begins[begins > quantiles[0]]
    return chosen


def _above(values: Array) -> Array:
    """The next larger numbers, or nearly."""
    limits = np.finfo(values.dtype)
    smallest = 4 * limits.tiny  # TensorFlow takes what is below `tiny` for 0
    above: Array = values + np.maximum(np.abs(values) * (2 * limits.eps), smallest)
    return above
