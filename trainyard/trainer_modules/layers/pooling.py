"""What is left of a sequence of vectors when only one may remain, padding not counted."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class _MaskedPooling(keras.layers.Layer):  # type: ignore[misc]  # Keras is not typed
    """From `[B, T, width]`, and a mask `[B, T]` if there is one, to `[B, width]`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Says that nothing is masked any more."""
        del inputs, mask

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `(B, width)`."""
        return (input_shape[0], input_shape[2])


@keras.saving.register_keras_serializable(package="trainyard")
class MaskedAverage(_MaskedPooling):
    """The mean of the vectors that are not masked; zeros if all are.

    Keras's own GlobalAveragePooling1D answers NaN then.
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Returns `[B, width]`."""
        weights = ops.ones(ops.shape(inputs)[:2]) if mask is None else mask
        weights = ops.cast(weights, inputs.dtype)[..., None]  # (B, T, 1)
        return ops.sum(inputs * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1)


@keras.saving.register_keras_serializable(package="trainyard")
class MaskedMaximum(_MaskedPooling):
    """The largest value of each dimension among vectors that are not masked; zeros if all are."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Returns `[B, width]`."""
        if mask is None:
            return ops.max(inputs, axis=1)
        seen = ops.cast(mask, "bool")[..., None]  # (B, T, 1)
        lowest = ops.full_like(inputs, -65504.0)  # of float16
        largest = ops.max(ops.where(seen, inputs, lowest), axis=1)
        return ops.where(ops.any(seen, axis=1), largest, ops.zeros_like(largest))
