"""Labels that are shares of classes, `[B, C]`, as MixUp and CutMix make them, beside indices.

What takes labels of a multiclass task must take both: training may mix labels,
validation never does.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def shares(labels: Any, classes: int) -> Any:
    """Returns labels as shares of classes.

    Args:
        labels: Class indices `[B, 1]`, shares `[B, C]`, which stay as they are, or the second
            of two classes' shares, floating `[B, 1]`.
        classes: C.

    Returns:
        float32 `[B, C]`; each row makes 1.
    """
    if labels.shape[-1] == classes:
        return ops.cast(labels, "float32")
    if classes == 2 and keras.backend.is_float_dtype(labels.dtype):
        return ops.concatenate([1 - labels, labels], axis=-1)
    return ops.one_hot(ops.squeeze(labels, -1), classes)


@keras.saving.register_keras_serializable(package="trainyard")
class Accuracy(keras.metrics.MeanMetricWrapper):  # type: ignore[misc]  # Keras is not typed
    """How often the most probable class is the one with the largest share.

    Args:
        name: The metric's.
        dtype: The metric's.
    """

    def __init__(self, name: str = "accuracy", dtype: str | None = None) -> None:
        super().__init__(_right, name, dtype)
        self._direction = "up"

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"name": self.name, "dtype": self.dtype}


def _right(labels: Any, predictions: Any) -> Any:
    classes = predictions.shape[-1]
    largest = ops.argmax(shares(labels, classes), axis=-1)
    return ops.cast(ops.equal(largest, ops.argmax(predictions, axis=-1)), "float32")
