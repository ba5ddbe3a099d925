"""What is not in TensorFlow Transform 1.16.0's documentation, and needed here."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow_transform import analyzers

VERSION = "1.16.0"

IN_EMPTY_VOCABULARY: str = analyzers.get_empy_vocabulary_dummy_value(tf.string)[1].decode()
"""A token that Transform puts into a vocabulary of strings that would have none."""


def quantiles(numbers: tf.Tensor, buckets: int, epsilon: float) -> tf.Tensor:
    """Returns the boundaries of `tft.quantiles` as they are: it rounds them to 32 bits.

    Args:
        numbers: float64 `[B, 1]`; NaN counts as missing.
        buckets: How many.
        epsilon: How unequal the buckets may be.

    Returns:
        float64 `[1, buckets - 1]`.
    """
    combiner = analyzers.QuantilesCombiner(
        buckets, epsilon, np.float64, output_shape=[1, buckets - 1]
    )
    with tf.compat.v1.name_scope(None, "quantiles"):  # TFT tells analyzers apart by it
        (boundaries,) = analyzers._apply_cacheable_combiner(combiner, numbers)
    return boundaries


def mean_and_variance(numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what `tft.scale_to_z_score(elementwise=True)` scales by.

    Args:
        numbers: float64 `[B, N]`; NaN counts as missing.

    Returns:
        float64 `[N]` each.
    """
    mean, variance = analyzers._mean_and_var(numbers, reduce_instance_dims=False)
    return mean, variance
