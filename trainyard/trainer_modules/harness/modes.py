"""What a recipe sets for the whole process while it trains, and nothing after it sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

# TensorFlow 2.16 has no public way to turn determinism off again.
from tensorflow.python.framework import config as tensorflow_config

from trainyard.recipe_schema import Trainer


@contextmanager
def process_wide(trainer: Trainer) -> Iterator[None]:
    """Seeds all generators, and sets precision and determinism until it is left.

    Args:
        trainer: The recipe's trainer section.
    """
    keras.utils.set_random_seed(trainer.seed)
    with _precision(trainer.precision), _determinism(trainer.deterministic):
        yield


@contextmanager
def _precision(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def _determinism(wanted: bool) -> Iterator[None]:
    before = tensorflow_config.is_op_determinism_enabled()
    if wanted:
        tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        if not before:
            tensorflow_config.disable_op_determinism()


def plain_copy(model: keras.Model) -> keras.Model:
    """Returns a model of the same weights that computes in float32, on one device.

    What is served must answer alike in every runtime: in 16 bits, an operation that one of
    them fuses rounds otherwise. The weights were float32 all the time.

    Args:
        model: Trained, in whatever precision and on however many devices.
    """
    config = keras.saving.serialize_keras_object(model)
    copy = keras.saving.deserialize_keras_object(_in_float32(config))
    copy.set_weights(model.get_weights())
    return copy


def _in_float32(config: Any) -> Any:
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return config | {"config": {"name": "float32"}}
        return {key: _in_float32(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(value) for value in config)
    return config
