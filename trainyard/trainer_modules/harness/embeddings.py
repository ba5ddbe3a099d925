"""Vectors of a text's tokens."""

from __future__ import annotations

import keras

from trainyard.trainer_modules.harness.spec import InputSpec


def layer(name: str, entry: InputSpec, dimension: int) -> keras.layers.Embedding:
    """Makes the layer from ids to vectors; behind it, layers know which ids pad.

    Args:
        name: The input's.
        entry: It is a text.
        dimension: Length of each vector.

    Returns:
        From int64 `[B, T]` to float32 `[B, T, dimension]`, with the mask `id != 0`.
    """
    size = entry.vocabulary_size
    return keras.layers.Embedding(size, dimension, mask_zero=True, name=f"{name}_embedding")
