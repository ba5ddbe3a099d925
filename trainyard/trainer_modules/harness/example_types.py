"""tf.Examples for a model whose columns have other types than the examples': 30 and 30.0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainyard.trainer_modules.harness.description import RawType


def matched(serialized: Sequence[bytes], inputs: Mapping[str, RawType]) -> list[bytes]:
    """Gives numbers the types that a model reads, where they stay the same numbers.

    Args:
        serialized: tf.Examples.
        inputs: The model's raw columns.

    Returns:
        The same rows. A fraction stays one: a model of whole numbers refuses it.
    """
    from tensorflow.core.example import example_pb2

    examples = [example_pb2.Example.FromString(each) for each in serialized]
    for example in examples:
        for name, kind in inputs.items():
            _match(example.features.feature, name, kind)
    return [example.SerializeToString() for example in examples]


def _match(features: Any, name: str, kind: RawType) -> None:
    if name not in features:
        return
    feature = features[name]
    there = feature.WhichOneof("kind")
    if kind == "float32" and there == "int64_list":
        feature.float_list.value[:] = list(feature.int64_list.value)
    elif kind == "int64" and there == "float_list":
        values = list(feature.float_list.value)
        if all(value.is_integer() for value in values):
            feature.int64_list.value[:] = [int(value) for value in values]
