"""Every kind of column in one table."""

from __future__ import annotations

import tensorflow as tf

from trainyard.recipe_schema import ImageFeature, TableFeature, TextFeature
from trainyard.trainer_modules.harness import preprocessing


def test_each_column_goes_by_its_kind():
    features = {
        "photo": ImageFeature(size=(8, 8)),
        "review": TextFeature(length=5),
        "weight": TableFeature(kind="numeric", scaling="none"),
        "kind": TableFeature(kind="categorical"),
    }
    with tf.Graph().as_default():
        inputs = {name: tf.compat.v1.placeholder(tf.string, [None]) for name in features}
        inputs["weight"] = tf.compat.v1.placeholder(tf.float32, [None])
        outputs = preprocessing.preprocess(inputs, features, None)
    shapes = {name: (tensor.dtype.name, tensor.shape[1]) for name, tensor in outputs.items()}
    assert shapes == {
        "kind_id": ("int64", 1),
        "numeric": ("float32", 1),
        "photo": ("string", 1),
        "review_tokens": ("int64", 5),
    }
