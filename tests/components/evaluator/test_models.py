"""A baseline that was trained when a column had another type."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma

from tests.trainer_modules.tables import serialize
from trainyard.components.evaluator.models import Model
from trainyard.trainer_modules.harness import description, example_types
from trainyard.trainer_modules.harness.description import Description, HeadDescription

SPEC = tfma.ModelSpec(
    signature_name="serving_default",
    preprocessing_function_names=["transform_features"],
    label_key="label_xf",
    prediction_key="predictions",
)


def baseline(folder, kind):
    """A model that answers twice the column `rooms`, which it reads as `kind`."""
    features = {
        "rooms": tf.io.FixedLenFeature([1], tf.dtypes.as_dtype(kind)),
        "y": tf.io.FixedLenFeature([1], tf.float32),
    }

    def parsed(examples, name):
        return tf.cast(tf.io.parse_example(examples, features)[name], tf.float32)

    signature = [tf.TensorSpec([None], tf.string, name="examples")]
    module = tf.Module()
    module.predict = tf.function(lambda x: {"predictions": 2 * parsed(x, "rooms")}, signature)
    module.transform = tf.function(lambda x: {"label_xf": parsed(x, "y")}, signature)
    signatures = {"serving_default": module.predict, "transform_features": module.transform}
    tf.saved_model.save(module, str(folder), signatures)
    head = HeadDescription(task="regression", label="y")
    description.write(folder, Description(heads={"": head}, inputs={"rooms": kind}))
    return Model(folder, SPEC)


@pytest.mark.parametrize(("kind", "rooms"), [("int64", [3.0, 120.0]), ("float32", [3, 120])])
def test_whole_numbers_are_the_same_to_a_baseline_of_either_type(tmp_path, kind, rooms):
    model = baseline(tmp_path / "model", kind)
    judged = model.judged([serialize({"rooms": each, "y": 1.0}) for each in rooms])[""]
    np.testing.assert_array_equal(judged.predictions[:, 0], [6.0, 240.0])


def test_a_model_of_whole_numbers_refuses_a_fraction(tmp_path):
    model = baseline(tmp_path / "model", "int64")
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.judged([serialize({"rooms": 120.5, "y": 1.0})])


def test_only_the_columns_of_the_model_change():
    row = serialize({"rooms": 3, "other": 4, "kind": "a", "empty": None})
    (changed,) = example_types.matched([row], {"rooms": "float32", "kind": "string"})
    features = tf.train.Example.FromString(changed).features.feature
    assert list(features["rooms"].float_list.value) == [3.0]
    assert list(features["other"].int64_list.value) == [4]
    assert list(features["kind"].bytes_list.value) == [b"a"]
