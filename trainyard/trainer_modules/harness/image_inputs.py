"""Images as the models take them: one image, and whatever else the recipe names beside it."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Feature, ImageFeature
from trainyard.trainer_modules.harness import columns, names, tabular
from trainyard.trainer_modules.harness.spec import ModelSpec


def preprocess(
    inputs: Mapping[str, tf.Tensor | tf.SparseTensor], features: Mapping[str, Feature]
) -> dict[str, tf.Tensor]:
    """Passes images through as they are, and leaves out columns that are none.

    Args:
        inputs: Raw columns, the label not among them.
        features: How each becomes an input.

    Returns:
        Each image column under its key, the encoded bytes, string `[B, 1]`.
    """
    images = [name for name, entry in features.items() if isinstance(entry, ImageFeature)]
    return {key: columns.dense(inputs[name]) for name, key in names.keys(images).items()}


def image(inputs: Mapping[str, keras.KerasTensor], spec: ModelSpec) -> keras.KerasTensor:
    """Returns the image among the inputs.

    Args:
        inputs: The model's inputs, as `ModelSpec.keras_inputs` made them.
        spec: What is known about them.

    Returns:
        float32 `[B, H, W, C]`.

    Raises:
        RecipeError: None of the inputs is an image, or more than one is.
    """
    images = _names(spec)
    if len(images) != 1:
        raise RecipeError(
            f"the trainer module {spec.training.module!r} takes one image",
            where="features",
            expected="one feature of kind `image`",
            received=", ".join(images) or f"no image; inputs: {', '.join(spec.inputs)}",
            hint="set the others to `ignored`" if images else "for a table: `module: mlp`",
        )
    return inputs[images[0]]


def with_others(
    vector: keras.KerasTensor, inputs: Mapping[str, keras.KerasTensor], spec: ModelSpec
) -> keras.KerasTensor:
    """Joins what a network made of the image with the inputs that are no images.

    Args:
        vector: `[B, width]`.
        inputs: The model's inputs, as `ModelSpec.keras_inputs` made them.
        spec: What is known about them.

    Returns:
        The vector itself if there is nothing beside the image, else
        `[B, width + numbers + embeddings]`.
    """
    seen = dict.fromkeys(_names(spec), vector)
    return tabular.with_others(seen, inputs, spec)


def _names(spec: ModelSpec) -> list[str]:
    # Height, width, channels: no column of a table has three axes.
    return [name for name, entry in spec.inputs.items() if len(entry.shape) == 3]
