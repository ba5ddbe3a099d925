"""Slices are those that TFMA forms, example by example."""

from __future__ import annotations

from collections import defaultdict

import hypothesis.strategies as st
import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.slicer import slicer_lib

from tests.components.evaluator.conftest import TYPES, rows, serialize
from trainyard.components.evaluator.slice_keys import Slicer, as_texts
from trainyard.errors import DataError
from trainyard.raw_values import stored_text

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
            found[as_texts(key)].append(index)
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
    ratios = {value for key in found for name, value in key if name == "ratio"}
    assert ratios == {"0.1", "0", "2"}  # as people write them
    assert len(found) == len(expected) > 30


def test_a_column_that_is_missing_makes_no_slice():
    slicer = Slicer([[], ["word"], ["unknown"], ["unknown", "word"]], SCHEMA)
    assert [key for key, _ in slicer.slices([serialize({}), serialize({"score": [1.0]})])] == [()]


@given(st.one_of(st.floats(allow_nan=False, width=32), st.integers(-(2**53), 2**53)))
def test_a_value_of_a_recipe_is_the_slice_of_its_rows(value):
    column = "number" if isinstance(value, int) else "ratio"
    ((key, _),) = Slicer([[column]], SCHEMA).slices([serialize({column: [value]})])
    assert key == ((column, stored_text(value)),)
    if value % 1:  # as people would write it
        assert key == ((column, stored_text(float(str(np.float32(value))))),)
    assert key == as_texts(((column, float(value)),))


def test_a_number_that_is_not_one_makes_no_slice():
    examples = [serialize({"ratio": [value]}) for value in (float("nan"), 0.5)]
    ((key, of_key),) = Slicer([["ratio"]], SCHEMA).slices(examples)
    assert (key, list(of_key)) == ((("ratio", "0.5"),), [1])
    assert as_texts((("ratio", float("nan")),)) is None


def test_a_value_that_is_not_utf_8_is_an_error():
    import tensorflow as tf

    example = tf.train.Example()
    example.features.feature["word"].bytes_list.value.append(b"\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        list(Slicer([["word"]], SCHEMA).slices([example.SerializeToString()]))
