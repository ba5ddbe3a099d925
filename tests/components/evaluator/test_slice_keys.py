"""Slices are those that TFMA forms, example by example."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.slicer import slicer_lib

from tests.components.evaluator.conftest import TYPES, rows, serialize
from trainyard.components.evaluator.slice_keys import Slicer
from trainyard.errors import DataError

SCHEMA = text_format.Parse(
    "\n".join(f'feature {{name: "{name}" type: {kind}}}' for name, kind in TYPES.items()),
    schema_pb2.Schema(),
)
DTYPES = {"INT": np.int64, "FLOAT": np.float32, "BYTES": object}
SPECS = [[], ["word"], ["number"], ["ratio"], ["tags"], ["word", "number"], ["tags", "word"]]


def of_tfma(examples):
    found = defaultdict(list)
    specs = [slicer_lib.SingleSliceSpec(columns=spec) for spec in SPECS]
    for index, row in enumerate(examples):
        features = {
            name: np.array(
                [v.encode() if isinstance(v, str) else v for v in row[name]], DTYPES[kind]
            )
            for name, kind in TYPES.items()
        }
        for key in slicer_lib.get_slices_for_features_dicts([], features, specs):
            found[key].append(index)
    return found


def test_keys_and_rows_are_tfmas():
    examples = rows("binary", 100)
    slicer = Slicer([*SPECS, ["number", "word"]], SCHEMA)
    found = {
        key: list(np.arange(len(examples))[of_key])
        for key, of_key in slicer.slices([serialize(row) for row in examples])
    }
    expected = of_tfma(examples)
    assert found == expected
    types = {(name, type(value)) for key in found for name, value in key}
    assert types == {("word", str), ("tags", str), ("number", int), ("ratio", float)}
    assert len(found) == len(expected) > 30


def test_a_column_that_is_missing_makes_no_slice():
    slicer = Slicer([[], ["word"], ["unknown"], ["unknown", "word"]], SCHEMA)
    assert [key for key, _ in slicer.slices([serialize({}), serialize({"score": [1.0]})])] == [()]


def test_a_value_that_is_not_utf_8_is_an_error():
    import tensorflow as tf

    example = tf.train.Example()
    example.features.feature["word"].bytes_list.value.append(b"\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        list(Slicer([["word"]], SCHEMA).slices([example.SerializeToString()]))
