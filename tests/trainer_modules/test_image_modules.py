"""What every module for images must keep, on hand-made specifications."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from tests.trainer_modules.images import OTHERS, TASKS, one_batch, specification
from trainyard.errors import RecipeError
from trainyard.trainer_modules import cnn, registry, resnet
from trainyard.trainer_modules.layers.augmentation import Augmentation

MODULES = pytest.mark.parametrize("module", [cnn, resnet], ids=["cnn", "resnet"])
EVERYTHING = Augmentation("both", rotation=0.2, translation=0.2, zoom=0.2, contrast=0.5)


def width(spec) -> int:
    return spec.classes if spec.task == "multiclass" else 1


@pytest.mark.parametrize("shape", [(28, 28, 1), (7, 19, 3), (1, 1, 1), (33, 8, 4)])
@MODULES
def test_images_of_any_size(module, shape):
    spec = specification(shape=shape)
    predictions = module.build_model(module.Params(), spec).predict(one_batch(spec)[0], verbose=0)
    assert predictions.shape == (16, 3)
    np.testing.assert_allclose(predictions.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("task", TASKS)
@MODULES
def test_a_saved_model_predicts_the_same(module, task, others, tmp_path):
    spec = specification(task, others=others)
    model = module.build_model(dataclasses.replace(module.TINY, augmentation=EVERYTHING), spec)
    x, y = one_batch(spec)
    model.fit(x, y, verbose=0)
    predictions = model.predict(x, verbose=0)
    assert predictions.shape == (16, width(spec))
    assert predictions.dtype == np.float32
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), predictions, rtol=1e-6)


@MODULES
def test_numbers_beside_the_image_count(module):
    spec = specification("regression", others=True)
    model = module.build_model(module.TINY, spec)
    x, _ = one_batch(spec)
    changed = x | {"numeric": x["numeric"] + 1}
    assert not np.allclose(model.predict(x, verbose=0), model.predict(changed, verbose=0))


@MODULES
def test_a_table_is_refused(module):
    table = dataclasses.replace(specification(), inputs=OTHERS)
    with pytest.raises(RecipeError, match="takes one image"):
        module.build_model(module.TINY, table)


@MODULES
def test_augmentation_changes_what_training_sees_and_nothing_else(module):
    spec = specification()
    x, _ = one_batch(spec)
    plain, augmented = (
        module.build_model(dataclasses.replace(module.TINY, augmentation=chosen), spec)
        for chosen in (Augmentation(), EVERYTHING)
    )
    augmented.set_weights([*plain.get_weights(), *augmented.get_weights()[len(plain.weights) :]])
    np.testing.assert_array_equal(plain.predict(x, verbose=0), augmented.predict(x, verbose=0))
    image = augmented.get_layer("contrast").output
    seen = keras.Model(augmented.input, image)(x, training=True)
    assert np.abs(seen - x["image"]).mean() > 0.1


@MODULES
def test_dropout_is_of_the_vector(module):
    model = module.build_model(dataclasses.replace(module.TINY, dropout=0.4), specification())
    assert model.get_layer("dropout").rate == 0.4
    assert model.get_layer("predictions").input is model.get_layer("dropout").output


@pytest.fixture
def policy():
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("name", ["mixed_float16", "mixed_bfloat16"])
@MODULES
def test_mixed_precision_computes_in_half_and_keeps_weights_whole(module, name, policy):
    policy(name)
    spec = specification(others=True)
    model = module.build_model(dataclasses.replace(module.TINY, augmentation=EVERYTHING), spec)
    half = name.removeprefix("mixed_")
    assert model.get_layer("predictions").input.dtype == half
    assert model.get_layer("contrast").output.dtype == "float32"
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    x, y = one_batch(spec)
    history = model.fit(x, y, epochs=3, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert np.isfinite(model.predict(x, verbose=0).astype(np.float32)).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"filers": [8]}, "did you mean 'filters'"),
        ({"dropout": 1}, r"trainer\.params\.dropout"),
        ({"augmentation": {"rotation": 0.6}}, r"trainer\.params\.augmentation\.rotation"),
        ({"augmentation": {"rotatoin": 0.1}}, r"trainer\.params\.augmentation\.rotatoin"),
        ({"augmentation": {"flip": "sideways"}}, r"(?s)augmentation\.flip.*'horizontal'"),
    ],
)
@MODULES
def test_params_that_are_wrong(module, values, message):
    with pytest.raises(RecipeError, match=message):
        registry.params(module, values)


@MODULES
def test_params_of_a_recipe(module):
    params = registry.params(module, {"augmentation": {"flip": "horizontal", "zoom": 0.1}})
    assert params == module.Params(augmentation=Augmentation("horizontal", zoom=0.1))
