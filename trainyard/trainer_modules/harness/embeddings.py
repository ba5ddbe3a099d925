"""Vectors of a text's tokens."""

from __future__ import annotations

from pathlib import Path

import keras

from trainyard.trainer_modules.harness import vector_files
from trainyard.trainer_modules.harness.spec import InputSpec


def layer(
    name: str, entry: InputSpec, dimension: int | None = None, *, default: int = 128
) -> keras.layers.Embedding:
    """Makes the layer from ids to vectors; behind it, layers know which ids pad.

    Args:
        name: The input's.
        entry: It is a text. Vectors come from the file that its feature names, if it names one.
        dimension: Length of each vector; None: the file's, or the default.
        default: What that is.

    Returns:
        From int64 `[B, T]` to float32 `[B, T, dimension]`, with the mask `id != 0`.

    Raises:
        DataError: The file cannot be read, or has vectors of another length.
    """
    assert entry.text is not None
    size, chosen = entry.vocabulary_size, entry.text.embedding
    named = f"{name}_embedding"
    if chosen is None:
        return keras.layers.Embedding(size, dimension or default, mask_zero=True, name=named)
    vectors = vector_files.read(Path(chosen.file), entry.vocabulary, dimension)
    made = keras.layers.Embedding(
        size, vectors.shape[1], mask_zero=True, name=named, trainable=chosen.trainable
    )
    made.build()
    made.embeddings.assign(vectors)
    return made
