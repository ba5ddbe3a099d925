"""Inputs that are the same in all training rows, so that the model cannot learn from them.

They are looked for in what Transform wrote, whatever made them so: the data, a bucket
that takes all rows, or numbers that become one in 32 bits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from trainyard.recipe_schema import Feature, TableFeature
from trainyard.trainer_modules.harness import names as keys_of
from trainyard.trainer_modules.harness import tabular, texts
from trainyard.trainer_modules.harness.config import TrainerConfig
from trainyard.trainer_modules.harness.inputs import BLOCK_ROWS, Array, Examples, Tensors
from trainyard.trainer_modules.harness.transform import resolve

_REASONS = {
    "numeric": "all its values are equal, or missing",
    "bucketized": "all its values fall into one bucket; if they differ, try `kind: numeric`",
    "categorical": "all its values are equal, or missing",
    "text": "every text has the same tokens",
    "series": "all its values are equal",
}
_UNSCALED = "its values are equal as 32-bit floats; if they differ, try another `scaling`"


def write(
    model_run: Path,
    config: TrainerConfig,
    transform_output: tft.TFTransformOutput,
    train: Examples,
) -> None:
    """Writes what `found` returns, if it is anything, as JSON into the Trainer's folder."""
    if constant := found(config, transform_output, train):
        text = json.dumps(constant, ensure_ascii=False, indent=1)
        (model_run / keys_of.CONSTANT_INPUTS).write_text(text, encoding="utf-8")


def found(
    config: TrainerConfig, transform_output: tft.TFTransformOutput, train: Examples
) -> dict[str, str]:
    """Looks for them.

    Args:
        config: What the Trainer was told.
        transform_output: What Transform wrote.
        train: Transformed training examples.

    Returns:
        The likely reason, by raw column; columns of images are not looked at.
    """
    raw = transform_output.raw_feature_spec()
    dtypes = {name: entry.dtype for name, entry in raw.items()}
    names = config.input_columns(sorted(raw))
    features = {name: resolve(name, dtypes[name], config.features) for name in names}
    same = unchanging(train, [key for key in train.features if key not in config.targets])
    constant = _columns(same, config, features, dtypes)
    return {name: _reason(features[name]) for name in names if name in constant}


def _reason(feature: Feature) -> str:
    unscaled = isinstance(feature, TableFeature) and feature.scaling == "none"
    return _UNSCALED if unscaled and feature.kind == "numeric" else _REASONS[feature.kind]


def _columns(
    same: Mapping[str, Array],
    config: TrainerConfig,
    features: Mapping[str, Feature],
    dtypes: Mapping[str, tf.DType],
) -> set[str]:
    """The raw columns behind what is the same in all rows."""
    keys = tabular.id_keys(features) | texts.keys(config.texts)
    keys |= keys_of.keys(config.series)
    whole = {name for name, key in keys.items() if key in same and same[key].all()}
    numbers = tabular.numeric_columns(features, dtypes)
    places = same.get(tabular.NUMERIC, np.zeros(len(numbers), bool))
    # A module may make numbers of its own.
    pairs = zip(numbers, places, strict=True) if len(numbers) == len(places) else ()
    return whole | {name for name, place in pairs if place}


def unchanging(examples: Examples, keys: list[str]) -> dict[str, Array]:
    """Says which numbers of each feature are the same in all rows.

    Args:
        examples: A split; of one that is not held in memory, no more is read than it takes.
        keys: Features; those that are no dense numbers are passed over.

    Returns:
        Boolean arrays of a row's shape, by key.
    """
    first: dict[str, Array] = {}
    same: dict[str, Array] = {}
    for block in _blocks(examples):
        numbers = {key: block[key].numpy() for key in keys if _is_dense(block[key])}
        first = first or {key: values[0] for key, values in numbers.items()}
        same = {
            key: same.get(key, True) & (values == first[key]).all(axis=0)
            for key, values in numbers.items()
        }
        if not any(each.any() for each in same.values()):
            break
    return same


def _blocks(examples: Examples) -> Iterator[Tensors]:
    if examples.held is not None:
        yield examples.held
    else:
        yield from examples.batches(BLOCK_ROWS)


def _is_dense(values: Any) -> bool:
    return isinstance(values, tf.Tensor) and values.dtype != tf.string
