"""The one `preprocessing_fn`: TFX Transform is given its dotted path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import tensorflow as tf

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Feature, SeriesFeature, TableFeature
from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import columns, labels
from trainyard.trainer_modules.harness import names as keys
from trainyard.trainer_modules.harness.config import TransformConfig

RawColumn: TypeAlias = tf.Tensor | tf.SparseTensor


def preprocessing_fn(
    inputs: Mapping[str, RawColumn], custom_config: Mapping[str, Any]
) -> dict[str, tf.Tensor]:
    """Turns raw columns into the trainer module's inputs and the encoded labels.

    Args:
        inputs: All raw columns of the data, the labels included.
        custom_config: What `TransformConfig.custom_config` returned.

    Returns:
        What the module's `preprocess` returns, each head's label under `names.label`, and what
        a row counts under `names.WEIGHT` if the recipe says so.

    Raises:
        RecipeError: A feature override does not fit its column, or no column is left.
    """
    config = TransformConfig.from_custom_config(custom_config)
    module = registry.find(config.module)
    names = config.input_columns(sorted(inputs))
    if not names:
        raise RecipeError(
            "no column is left as an input",
            where="features",
            hint="columns that a label is computed from are inputs only if `features` names them",
        )
    features = {name: resolve(name, inputs[name].dtype, config.features) for name in names}
    outputs = module.preprocess(
        {name: inputs[name] for name in names},
        features,
        registry.params(module, config.params),
    )
    return outputs | _targets(inputs, config)


def _targets(inputs: Mapping[str, RawColumn], config: TransformConfig) -> dict[str, tf.Tensor]:
    encoded = {
        keys.label(name): labels.encode(
            inputs[head.label.name], head.task, name, config.written(head), head.label.positive
        )
        for name, head in config.heads.items()
    }
    if config.weight is not None:
        weights = columns.as_number(columns.dense(inputs[config.weight]))
        encoded[keys.WEIGHT] = tf.cast(weights, tf.float32)
    return encoded


def resolve(name: str, dtype: tf.DType, overrides: Mapping[str, Feature]) -> Feature:
    """Decides how a column becomes an input: `auto` follows the column's type.

    Args:
        name: The column.
        dtype: Its type in the raw examples.
        overrides: The recipe's `features`.

    Returns:
        The feature, of a kind other than `auto`.

    Raises:
        RecipeError: The feature does not fit the column's type.
    """
    feature = overrides.get(name, TableFeature())
    if isinstance(feature, TableFeature):
        return _resolved(name, dtype, feature)
    if dtype != tf.string and not isinstance(feature, SeriesFeature):
        raise RecipeError(
            f"the column {name!r} holds numbers and cannot be of the kind {feature.kind}",
            where=f"features.{name}.kind",
            expected="numeric, categorical, bucketized or ignored",
            received=feature.kind,
            hint="`data.images` makes images of columns of pixels"
            if feature.kind == "image"
            else "leave its kind out",
        )
    return feature


def _resolved(name: str, dtype: tf.DType, feature: TableFeature) -> TableFeature:
    own = "categorical" if dtype == tf.string else "numeric"
    kind = own if feature.kind == "auto" else feature.kind
    where = f"features.{name}"
    if kind != "categorical" and dtype == tf.string:
        raise RecipeError(
            f"the column {name!r} is text and cannot be {kind}",
            where=f"{where}.kind",
            expected="categorical or ignored",
            received=kind,
            hint="if it should hold numbers, look for entries that are none",
        )
    if isinstance(feature.default, str) and dtype != tf.string:
        raise RecipeError(
            f"the column {name!r} holds numbers, its default is text",
            where=f"{where}.default",
            expected="a number",
            received=repr(feature.default),
            hint="give a number, or leave it out",
        )
    return feature.model_copy(update={"kind": kind})
