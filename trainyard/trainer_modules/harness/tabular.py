"""Tables: raw columns to tensors in Transform, and tensors to one vector in Keras.

Numeric columns are stacked and scaled together, because an analyzer a column
makes Transform slow; each other column becomes one id.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import schema_inference

from trainyard.recipe_schema import Feature, TableFeature
from trainyard.trainer_modules.harness import buckets, columns, embeddings, tft_private
from trainyard.trainer_modules.harness.names import keys
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.trainer_modules.layers.pooling import MaskedAverage

NUMERIC = "numeric"
MISSING_CATEGORY = "<missing>"
_NOISE = 1e-14  # of a mean in 64 bits


def preprocess(
    inputs: Mapping[str, tf.Tensor | tf.SparseTensor], features: Mapping[str, Feature]
) -> dict[str, tf.Tensor]:
    """Prepares a table's columns, and leaves out those that are none.

    Args:
        inputs: Raw columns, the label not among them.
        features: How each becomes an input, of a kind other than `auto`.

    Returns:
        `numeric`, float32 `[B, N]`, all numeric columns, scaled and without NaN; and
        `COLUMN_id`, int64 `[B, 1]`, for each categorical or bucketized column.
    """
    table = {n: f for n, f in sorted(features.items()) if isinstance(f, TableFeature)}
    values = {name: columns.dense(inputs[name]) for name in table}
    outputs = _numeric(values, table)
    for name, key in id_keys(table).items():
        outputs[key] = _IDS[table[name].kind](values[name], table[name], key)
    return outputs


def id_keys(features: Mapping[str, Feature]) -> dict[str, str]:
    """Says what `preprocess` calls the ids of each categorical or bucketized column.

    Args:
        features: As `preprocess` takes them.
    """
    return keys((n for n, f in features.items() if f.kind in _IDS), "_id")


def numeric_columns(features: Mapping[str, Feature], dtypes: Mapping[str, tf.DType]) -> list[str]:
    """Says which column each number of `NUMERIC` is of.

    Args:
        features: As `preprocess` takes them.
        dtypes: The types of the raw columns.
    """
    table = {n: f for n, f in sorted(features.items()) if isinstance(f, TableFeature)}
    return [
        name
        for scaling in _SCALINGS
        for dtype in (tf.float32, tf.int64)
        for name, feature in table.items()
        if (feature.kind, feature.scaling, dtypes[name]) == (NUMERIC, scaling, dtype)
    ]


def _numeric(
    values: Mapping[str, tf.Tensor], features: Mapping[str, TableFeature]
) -> dict[str, tf.Tensor]:
    stacks: list[tf.Tensor] = []
    for scaling, scale in _SCALINGS.items():
        names = [n for n, f in features.items() if (f.kind, f.scaling) == (NUMERIC, scaling)]
        if names:
            scaled = scale(_stacked(sorted(names), values, features))  # (B, columns of the scaling)
            # Still NaN: a column without any value.
            stacks.append(tf.where(tf.math.is_finite(scaled), scaled, tf.zeros_like(scaled)))
    return {NUMERIC: tf.cast(tf.concat(stacks, axis=1), tf.float32)} if stacks else {}


def _stacked(
    names: Sequence[str], values: Mapping[str, tf.Tensor], features: Mapping[str, TableFeature]
) -> tf.Tensor:
    """Returns float64 `[B, N]`, floats before integers, NaN where there is no default either."""
    by_type = [[n for n in names if values[n].dtype == dtype] for dtype in (tf.float32, tf.int64)]
    parts = [columns.as_number(tf.concat([values[n] for n in some], 1)) for some in by_type if some]
    stack = tf.concat(parts, axis=1)
    defaults = [features[n].default for some in by_type for n in some]
    filler = [float("nan") if default is None else float(default) for default in defaults]
    return tf.where(tf.math.is_nan(stack), tf.constant(filler, tf.float64), stack)


def _z_score(stack: tf.Tensor) -> tf.Tensor:
    mean, variance = tft_private.mean_and_variance(stack)
    # What a sum of large equal numbers leaves is no deviation.
    deviation = tf.where(tf.sqrt(variance) > _NOISE * tf.abs(mean), tf.sqrt(variance), 0.0)
    scaled = tf.math.divide_no_nan(stack - mean, deviation)
    return tf.where(tf.math.is_nan(stack), tf.zeros_like(scaled), scaled)  # 0: the mean


def _min_max(stack: tf.Tensor) -> tf.Tensor:
    # One NaN in a batch would hide the batch from these two analyzers.
    missing, edge = tf.math.is_nan(stack), stack.dtype.max
    low = tft.min(tf.where(missing, edge, stack), reduce_instance_dims=False)
    high = tft.max(tf.where(missing, -edge, stack), reduce_instance_dims=False)
    return tf.math.divide_no_nan(_mean_filled(stack) - low, high - low)


def _mean_filled(stack: tf.Tensor) -> tf.Tensor:
    mean = tft.mean(stack, reduce_instance_dims=False)
    return tf.where(tf.math.is_nan(stack), mean, stack)


_SCALINGS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "z-score": _z_score,
    "min-max": _min_max,
    "none": _mean_filled,
}


def _bucketized(values: tf.Tensor, feature: TableFeature, key: str) -> tf.Tensor:
    number = _stacked([key], {key: values}, {key: feature})
    boundaries = buckets.boundaries(number, feature.buckets)
    ids = tft.apply_buckets(number, boundaries)
    # How many there are is known after the analysis; the one after them is for missing values.
    missing = tf.cast(tf.size(boundaries) + 1, tf.int64)
    ids = tf.where(tf.math.is_nan(number), missing, ids)
    schema_inference.set_tensor_schema_override(ids, tf.constant(0, tf.int64), missing)
    return ids


def _categorical(values: tf.Tensor, feature: TableFeature, key: str) -> tf.Tensor:
    text = columns.as_text(values)
    text = tf.where(tf.equal(text, ""), _default_text(values.dtype, feature), text)
    return tft.compute_and_apply_vocabulary(
        text,
        top_k=feature.vocabulary,
        num_oov_buckets=feature.oov_buckets,
        vocab_filename=key,
    )


def _default_text(dtype: tf.DType, feature: TableFeature) -> tf.Tensor:
    if feature.default is None:
        return tf.constant(MISSING_CATEGORY)
    if dtype == tf.string:
        return tf.constant(str(feature.default))
    return columns.as_text(tf.cast(feature.default, dtype))


_IDS: dict[str, Callable[[tf.Tensor, TableFeature, str], tf.Tensor]] = {
    "bucketized": _bucketized,
    "categorical": _categorical,
}


def encode(
    inputs: Mapping[str, keras.KerasTensor],
    spec: ModelSpec,
    *,
    categories: str = "embedding",
    dimension: int | str = "auto",
) -> keras.KerasTensor:
    """Joins a table's inputs to one vector a row.

    Args:
        inputs: The model's inputs, as `ModelSpec.keras_inputs` made them. A text among them is
            the average of its tokens' embeddings.
        spec: What is known about them.
        categories: `embedding` or `one_hot`.
        dimension: Length of each embedding, or `auto`.

    Returns:
        `[B, width]`.
    """
    parts: list[keras.KerasTensor] = []
    for name, tensor in inputs.items():
        entry = spec.inputs[name]
        size = entry.vocabulary_size
        if size is None:
            parts.append(tensor)
        elif entry.text:
            length = embedding_dimension(size) if dimension == "auto" else int(dimension)
            embedded = embeddings.layer(name, entry, default=length)(tensor)
            parts.append(MaskedAverage(name=f"{name}_average")(embedded))
        elif categories == "one_hot":
            parts.append(
                keras.layers.CategoryEncoding(size, "one_hot", name=f"{name}_one_hot")(tensor)
            )
        else:
            length = embedding_dimension(size) if dimension == "auto" else int(dimension)
            embedded = keras.layers.Embedding(size, length, name=f"{name}_embedding")(tensor)
            parts.append(keras.layers.Flatten(name=f"{name}_vector")(embedded))
    return _joined(parts)


def with_others(
    seen: Mapping[str, keras.KerasTensor],
    inputs: Mapping[str, keras.KerasTensor],
    spec: ModelSpec,
) -> keras.KerasTensor:
    """Joins what networks made of some inputs with the others.

    Args:
        seen: A vector `[B, width]` for each input that a network took.
        inputs: The model's inputs, as `ModelSpec.keras_inputs` made them.
        spec: What is known about them.

    Returns:
        The one vector itself if there is nothing beside it, else all of them and then the
        others' `[B, numbers + embeddings]`.
    """
    others = {name: tensor for name, tensor in inputs.items() if name not in seen}
    parts = [*seen.values(), *([encode(others, spec)] if others else [])]
    return keras.layers.Concatenate(name="with_others")(parts) if len(parts) > 1 else parts[0]


def _joined(parts: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    return keras.layers.Concatenate(name="features")(parts) if len(parts) > 1 else parts[0]


def embedding_dimension(vocabulary_size: int) -> int:
    """Chooses an embedding's length: fastai's rule, `1.6 * size ** 0.56`, at most 50.

    Source: https://docs.fast.ai/tabular.model.html#emb_sz_rule

    Args:
        vocabulary_size: How many ids there are.
    """
    return max(1, min(50, round(1.6 * math.pow(vocabulary_size, 0.56))))
