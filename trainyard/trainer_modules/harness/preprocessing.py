"""The `preprocess` that trainer modules share: each column by the kind of its feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Feature
from trainyard.trainer_modules.harness import image_inputs, series_inputs, tabular, texts


def preprocess(
    inputs: Mapping[str, tf.Tensor | tf.SparseTensor], features: Mapping[str, Feature], params: Any
) -> dict[str, tf.Tensor]:
    """Turns raw columns into model inputs: numbers, categories, images, text and series, mixed.

    Args:
        inputs: Raw columns, the label not among them.
        features: How each becomes an input, of a kind other than `auto`.
        params: The module's hyperparameters; not read here.

    Returns:
        What `tabular.preprocess` makes of a table's columns, each image's encoded bytes under its
        own name, string `[B, 1]`, what `texts.preprocess` makes of each text, and each
        series, scaled.

    Raises:
        RecipeError: An image or a series has the name of another input.
    """
    del params
    kinds = (tabular, image_inputs, texts, series_inputs)
    outputs: dict[str, tf.Tensor] = {}
    for made in (kind.preprocess(inputs, features) for kind in kinds):
        twice = outputs.keys() & made.keys()
        if twice:
            raise RecipeError(
                f"two inputs of the model would be called {min(twice)!r}",
                where="features",
                hint="give the image or the series another `column` in `data`",
            )
        outputs |= made
    return outputs
