"""Large-scale recognition: its backbones, and batches that stay what they should be."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules.images import TASKS, one_batch, specification
from trainyard.errors import RecipeError
from trainyard.trainer_modules import large_image, registry
from trainyard.trainer_modules.harness import soft_labels

SHAPE = (16, 16, 3)


@pytest.mark.parametrize("backbone", ["vit", "EfficientNetV2B0"])
def test_a_saved_model_predicts_the_same(backbone, tmp_path):
    spec = specification(shape=(32, 32, 1), others=True)
    params = dataclasses.replace(large_image.TINY, backbone=backbone, dropout=0.1)
    model = large_image.build_model(params, spec)
    x, _ = one_batch(spec)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)


@pytest.mark.parametrize("backbone", ["vit", "MobileNetV3Small"])
def test_it_is_the_first_model_of_a_process(backbone):
    keras.utils.clear_session()  # the names that Keras gives begin anew
    spec = specification(shape=(32, 32, 3))
    vit = dataclasses.replace(large_image.TINY.vit, dropout=0.1)
    params = dataclasses.replace(large_image.TINY, backbone=backbone, vit=vit, dropout=0.1)
    assert large_image.build_model(params, spec)


def augmented(spec, batches=1, threads=None, **changes):
    params = dataclasses.replace(large_image.TINY, **changes)
    data = tf.data.Dataset.from_tensors(one_batch(spec)).repeat(batches)
    change = large_image.augment(params, spec)
    return list(data.map(change, threads).as_numpy_iterator())


OFF = {"flip": 0.0, "rand_augment": 0.0, "mixup": 0.0, "cutmix": 0.0}
EACH = [{"flip": 0.5}, {"rand_augment": 1.0, "operations": 3}, {"mixup": 1.0}, {"cutmix": 1.0}]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("on", EACH, ids=str)
@pytest.mark.parametrize("task", TASKS)
def test_batches_keep_shape_range_and_the_sum_of_labels(task, on, channels):
    spec = specification(task, (16, 12, channels), others=True)
    x, y = one_batch(spec)
    ((inputs, labels),) = augmented(spec, **OFF | on)
    assert inputs.keys() == x.keys()
    image = inputs["image"]
    assert image.shape == x["image"].shape
    assert image.dtype == np.float32
    assert not np.array_equal(image, x["image"])
    assert image.min() >= 0
    assert image.max() <= 1
    np.testing.assert_array_equal(inputs["numeric"], x["numeric"])
    if task == "multiclass" and {"mixup", "cutmix"} & on.keys():
        assert labels.shape == (16, 3)
        np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-5)
        assert ((labels > 0.01) & (labels < 0.99)).any()
    else:
        assert labels.shape == (16, 1)
        assert labels.min() >= y.min()
        assert labels.max() <= y.max()


def test_all_off_changes_nothing():
    spec = specification(shape=SHAPE)
    x, y = one_batch(spec)
    ((inputs, labels),) = augmented(spec, **OFF)
    np.testing.assert_array_equal(inputs["image"], x["image"])
    np.testing.assert_array_equal(labels, y)


def test_it_depends_on_the_batch_and_the_seed_alone():
    spec = specification(shape=SHAPE)
    (one, _), (two, _) = augmented(spec, 2)
    (parallel, _), _ = augmented(spec, 2, threads=2)
    np.testing.assert_array_equal(one["image"], two["image"])
    np.testing.assert_array_equal(one["image"], parallel["image"])
    ((other, _),) = augmented(specification(shape=SHAPE, seed=2))
    assert not np.array_equal(one["image"], other["image"])


def test_it_trains_on_shares_of_classes():
    spec = specification(shape=SHAPE)
    model = large_image.build_model(large_image.TINY, spec)
    model.compile("adam", "categorical_crossentropy", metrics=[soft_labels.Accuracy()])
    data = tf.data.Dataset.from_tensors(one_batch(spec))
    data = data.map(large_image.augment(large_image.TINY, spec))
    assert np.isfinite(model.fit(data.repeat(3), verbose=0).history["loss"]).all()


def test_the_docstring_s_recipe_is_one():
    from ruamel.yaml import YAML

    from tests.trainer_modules.tables import heads_of
    from trainyard.recipe_schema import Trainer
    from trainyard.trainer_modules import harness

    text = (large_image.__doc__ or "").split("    trainer:\n")[1].split("\n\n")[0]
    harness.check(Trainer(**YAML(typ="safe").load(text)), heads_of("multiclass"))


@pytest.mark.parametrize(
    ("vit", "message"), [({"patch": 17}, r"vit\.patch"), ({"heads": 3}, r"vit\.heads")]
)
def test_a_transformer_that_does_not_fit(vit, message):
    size = dataclasses.replace(large_image.TINY.vit, **vit)
    params = dataclasses.replace(large_image.TINY, vit=size)
    with pytest.raises(RecipeError, match=message):
        large_image.build_model(params, specification(shape=SHAPE))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "ConvNextTiny"}, "did you mean 'ConvNeXtTiny'"),
        ({"vit": {"pach": 8}}, r"trainer\.params\.vit\.pach"),
        ({"mixup": 2}, r"trainer\.params\.mixup"),
    ],
)
def test_params_that_are_wrong(values, message):
    with pytest.raises(RecipeError, match=message):
        registry.params(large_image, values)
