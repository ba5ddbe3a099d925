"""What is not in TensorFlow Transform 1.16.0's documentation, and needed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_transform import analyzer_nodes, analyzers

Array = NDArray[np.float64]

VERSION = "1.16.0"

IN_EMPTY_VOCABULARY: str = analyzers.get_empy_vocabulary_dummy_value(tf.string)[1].decode()
"""A token that Transform puts into a vocabulary of strings that would have none."""


class _OfQuantiles(analyzers.QuantilesCombiner):  # type: ignore[misc]  # TFT is not typed
    def __init__(self, count: int, make: Callable[[Array], Array]) -> None:
        super().__init__(count, 1 / count, np.float64, output_shape=[1, count - 1])
        self._make = make

    def extract_output(self, accumulator: Any) -> list[Array]:
        (quantiles,) = super().extract_output(accumulator)
        return [self._make(quantiles[0])[np.newaxis]]

    def output_tensor_infos(self) -> list[Any]:
        return [analyzer_nodes.TensorInfo(tf.float64, [1, None], None)]


def of_quantiles(numbers: tf.Tensor, count: int, make: Callable[[Array], Array]) -> tf.Tensor:
    """Returns what a function makes of quantiles; the graph has the result as a constant.

    The quantiles are those of `tft.quantiles`, but not rounded to 32 bits.

    Args:
        numbers: float64 `[B, 1]`; NaN counts as missing.
        count: Into how many parts of equal size the quantiles divide the numbers.
        make: From quantiles, float64 `(count - 1,)`, to float64 `(n,)`; it can be pickled.

    Returns:
        float64 `[1, n]`.
    """
    with tf.compat.v1.name_scope(None, "quantiles"):  # TFT tells analyzers apart by it
        (made,) = analyzers._apply_cacheable_combiner(_OfQuantiles(count, make), numbers)
    return made


def mean_and_variance(numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what `tft.scale_to_z_score(elementwise=True)` scales by.

    Args:
        numbers: float64 `[B, N]`; NaN counts as missing.

    Returns:
        float64 `[N]` each.
    """
    mean, variance = analyzers._mean_and_var(numbers, reduce_instance_dims=False)
    return mean, variance
