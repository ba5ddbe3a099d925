"""Pixels as a pretrained network saw them: the order of the channels, and their scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="trainyard")
class ChannelScaling(keras.layers.Layer):  # type: ignore[misc]  # Keras is not typed
    """Puts channels in an order, then scales and shifts each.

    Args:
        order: For each output channel, the input channel it is made of.
        scale: By output channel.
        offset: By output channel.
        **options: Of a Keras layer.

    Call arguments:
        images: `[B, H, W, C]`.

    Returns:
        `[B, H, W, C]`.
    """

    def __init__(
        self, order: Sequence[int], scale: Sequence[float], offset: Sequence[float], **options: Any
    ) -> None:
        super().__init__(**options)
        self.order, self.scale, self.offset = list(order), list(scale), list(offset)

    def call(self, images: Any) -> Any:
        """Returns the images with channels in order and to scale."""
        scale = np.asarray(self.scale, self.compute_dtype)
        return ops.take(images, self.order, axis=-1) * scale + np.asarray(self.offset, scale.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"order": self.order, "scale": self.scale, "offset": self.offset}
        return {**super().get_config(), **own}
