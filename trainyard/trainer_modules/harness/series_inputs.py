"""Series as the models take them: the values before, scaled by one mean and one deviation."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf
import tensorflow_transform as tft

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Feature, SeriesFeature
from trainyard.trainer_modules.harness import columns, names
from trainyard.trainer_modules.harness.spec import ModelSpec


def preprocess(
    inputs: Mapping[str, tf.Tensor | tf.SparseTensor], features: Mapping[str, Feature]
) -> dict[str, tf.Tensor]:
    """Scales series, and leaves out what is none.

    Args:
        inputs: Raw columns, the label not among them.
        features: How each becomes an input.

    Returns:
        Each series under its key, float32 `[B, length]`, the oldest value first and a
        missing one 0.
    """
    series = {n: f for n, f in features.items() if isinstance(f, SeriesFeature)}
    return {key: _scaled(inputs[name], series[name]) for name, key in names.keys(series).items()}


def _scaled(column: tf.Tensor | tf.SparseTensor, feature: SeriesFeature) -> tf.Tensor:
    values = columns.as_number(columns.dense(column, feature.length))
    scaled = tft.scale_to_z_score(values) if feature.scaling == "z-score" else values
    finite = tf.where(tf.math.is_finite(scaled), scaled, tf.zeros_like(scaled))
    return tf.cast(finite, tf.float32)


def name(spec: ModelSpec) -> str:
    """Names the series among the inputs.

    Args:
        spec: What the model must fit.

    Raises:
        RecipeError: There is none, or something beside it.
    """
    series = [name for name, entry in spec.inputs.items() if entry.series]
    if len(series) != 1 or len(spec.inputs) != 1:
        raise RecipeError(
            f"the trainer module {spec.training.module!r} takes one series",
            where="features",
            expected="one feature of kind `series`, which `data.series` brings",
            received=", ".join(spec.inputs),
            hint="set the others to `ignored`" if series else "for a table: `module: mlp`",
        )
    return series[0]


def series(inputs: Mapping[str, keras.KerasTensor], spec: ModelSpec) -> keras.KerasTensor:
    """Returns the series among the inputs, one value a step.

    Args:
        inputs: The model's inputs, as `ModelSpec.keras_inputs` made them.
        spec: What is known about them.

    Returns:
        float32 `[B, length, 1]`, the oldest value first.

    Raises:
        RecipeError: There is none, or something beside it.
    """
    return keras.layers.Reshape((-1, 1), name="steps")(inputs[name(spec)])
