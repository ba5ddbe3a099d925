"""One image in, and the other inputs beside it."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules.images import OTHERS, one_batch, specification
from trainyard.errors import RecipeError
from trainyard.recipe_schema import ImageFeature, TableFeature, Trainer
from trainyard.trainer_modules import harness
from trainyard.trainer_modules.harness import image_inputs
from trainyard.trainer_modules.harness.spec import InputSpec


def joined(spec) -> keras.Model:
    inputs = spec.keras_inputs()
    vector = keras.layers.Flatten()(image_inputs.image(inputs, spec))
    return keras.Model(inputs, image_inputs.with_others(vector, inputs, spec))


def test_preprocess_passes_encoded_images_through():
    kind = ImageFeature(size=(8, 8))
    encoded = [b"\x89PNG\x00one", b"\xff\xd8two"]
    sparse = tf.sparse.from_dense(tf.constant(encoded)[:, None])
    outputs = image_inputs.preprocess({"photo": sparse}, {"photo": kind})
    assert list(outputs) == ["photo"]
    assert outputs["photo"].numpy().tolist() == [[entry] for entry in encoded]


def test_the_image_alone_is_the_vector():
    spec = specification()
    x, _ = one_batch(spec)
    flat = joined(spec).predict(x, verbose=0)
    np.testing.assert_array_equal(flat, x["image"].reshape(16, -1))


def test_numbers_and_categories_follow_the_image():
    spec = specification(others=True)
    x, _ = one_batch(spec)
    model = joined(spec)
    vector = model.predict(x, verbose=0)
    ids = model.get_layer("kind_id_embedding")(x["kind_id"]).numpy()[:, 0]
    assert vector.shape == (16, 64 + 5 + 3)
    np.testing.assert_allclose(vector[:, 64:69], ids, rtol=1e-6)
    np.testing.assert_allclose(vector[:, 69:], x["numeric"], rtol=1e-6)


def test_a_table_is_refused():
    table = dataclasses.replace(specification(module="cnn"), inputs=OTHERS)
    with pytest.raises(RecipeError, match=r"(?s)'cnn' takes one image.*no image; inputs: kind_id"):
        joined(table)


def test_two_images_are_refused():
    image = InputSpec((8, 8, 1), "float32")
    two = dataclasses.replace(specification(), inputs={"left": image, "right": image})
    with pytest.raises(RecipeError, match=r"(?s)takes one image.*received: left, right"):
        joined(two)


IMAGE = {"photo": ImageFeature(size=(8, 8))}


@pytest.mark.parametrize(
    ("module", "features", "where"),
    [("mlp", IMAGE, "features.photo"), ("cnn", {}, "trainer.module")],
)
def test_a_module_for_other_inputs_is_refused_before_anything_runs(module, features, where):
    with pytest.raises(RecipeError) as caught:
        harness.check_inputs(Trainer(module=module), features)
    assert caught.value.where == where


def test_modules_and_features_that_fit():
    harness.check_inputs(Trainer(module="cnn"), IMAGE)
    harness.check_inputs(Trainer(module="mlp"), {"fare": TableFeature()})
