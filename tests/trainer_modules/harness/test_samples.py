"""The picture of augmented images: what it shows, when there is one, and what it leaves alone."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainyard.recipe_schema import ImageFeature
from trainyard.trainer_modules.harness import inputs, samples
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec
from trainyard.trainer_modules.layers.augmentation import Augmentation

FEATURES = {
    "image": tf.io.FixedLenFeature([1], tf.string),
    "label": tf.io.FixedLenFeature([1], tf.int64),
}


def gradient(number: int, size: int) -> bytes:
    """Dark on the left, lighter on the right; no two alike."""
    levels = np.tile(np.linspace(10 * number, 200, size), (size, 1)).astype(np.uint8)
    return bytes(tf.io.encode_png(levels[:, :, np.newaxis]).numpy())


@pytest.fixture
def examples(tmp_path):
    file = str(tmp_path / "rows.gz")
    with tf.io.TFRecordWriter(file, "GZIP") as writer:
        for number in range(10):
            made = tf.train.Example()
            made.features.feature["image"].bytes_list.value.append(gradient(number, 16))
            made.features.feature["label"].int64_list.value.append(number % 2)
            writer.write(made.SerializeToString())
    return inputs.Examples([file], FEATURES)


def spec_of(scale="0-1", size=16):
    image = ImageFeature(size=(size, size), channels=1, scale=scale)
    return ModelSpec.of_one(
        {"image": InputSpec(image.shape, "float32", image=image)},
        "binary",
        LabelSpec(10, ("a", "b"), (5, 5)),
    )


def model_of(spec, augmentation=None):
    image = spec.keras_inputs()["image"]
    maps = augmentation(image, 3) if augmentation else image
    vector = keras.layers.Dropout(0.5)(keras.layers.Flatten()(maps))
    return keras.Model({"image": image}, keras.layers.Dense(1)(vector))


def drawn(tmp_path, examples, spec, model, module=None):
    samples.write(tmp_path, module or SimpleNamespace(), None, model, spec, examples)
    file = tmp_path / samples.FILE
    return np.asarray(Image.open(file)).astype(int) if file.exists() else None


def cell(sheet, down, across, side=96):
    step, apart = side + samples.GAP, 2 * samples.GAP if across else 0
    left, top = across * step + apart, down * step
    return sheet[top : top + side, left : left + side, :3]


def is_lighter_on_the_right(pixels):
    return pixels[:, -9:].mean() > pixels[:, :9].mean()


def test_without_augmentation_there_is_no_picture(tmp_path, examples):
    spec = spec_of()
    assert drawn(tmp_path, examples, spec, model_of(spec)) is None


def test_a_table_has_no_picture(tmp_path, examples):
    spec = ModelSpec.of_one({"x": InputSpec((1,), "float32")}, "binary", LabelSpec(10))
    x = spec.keras_inputs()["x"]
    model = keras.Model({"x": x}, keras.layers.GaussianNoise(1.0)(x))
    assert drawn(tmp_path, examples, spec, model) is None


@pytest.mark.parametrize("scale", ["0-1", "-1-1", "0-255"])
def test_layers_of_the_model_are_drawn_beside_the_original(tmp_path, examples, scale):
    spec = spec_of(scale)
    sheet = drawn(tmp_path, examples, spec, model_of(spec, Augmentation(flip="horizontal")))
    assert sheet.shape[:2] == (4 * 100 - 4, 8 * 100 + 4)
    cells = [[cell(sheet, down, across) for across in range(8)] for down in range(4)]
    rightwards = np.array([[is_lighter_on_the_right(each) for each in row] for row in cells])
    assert rightwards[:, 0].all()  # as the model gets them: lighter on the right
    assert 0 < rightwards[:, 1:].mean() < 1  # some mirrored, some not
    assert cell(sheet, 0, 0)[:, -2:].mean() == pytest.approx(200, abs=12)  # not washed out


def test_the_hook_of_a_module_is_drawn_and_each_version_is_another(tmp_path, examples):
    def augment(params, spec):
        def changed(tensors, labels):
            # As `mixing.BatchSeed`: chance is read off the batch.
            shift = tf.cast(tf.reduce_sum(tensors["image"][0]) * 1000, tf.int32) % 16
            return {"image": tf.roll(tensors["image"], shift, 2)}, labels

        return changed

    spec = spec_of()
    module = SimpleNamespace(augment=augment)
    sheet = drawn(tmp_path, examples, spec, model_of(spec), module)
    darkest = [int(cell(sheet, 0, across).mean(axis=(0, 2)).argmin()) // 6 for across in range(8)]
    assert darkest[0] == 0
    assert len(set(darkest)) > 2
    for down in range(4):  # turned back: a row is of one image
        means = [cell(sheet, down, across).mean() for across in range(8)]
        assert np.ptp(means) < 3


def test_the_model_and_its_chance_are_left_alone(tmp_path, examples):
    spec = spec_of()
    model = model_of(spec, Augmentation(flip="both", rotation=0.2))
    seeds = [v.numpy().copy() for v in model.non_trainable_variables]
    one = drawn(tmp_path, examples, spec, model)
    now = [variable.numpy() for variable in model.non_trainable_variables]
    assert all(np.array_equal(*pair) for pair in zip(seeds, now, strict=True))
    assert len(seeds) > 0
    assert np.array_equal(one, drawn(tmp_path, examples, spec, model))


def test_large_images_are_made_small(tmp_path, examples):
    spec = spec_of(size=300)
    sheet = drawn(tmp_path, examples, spec, model_of(spec, Augmentation(zoom=0.2)))
    assert sheet.shape[:2] == (4 * 100 - 4, 8 * 100 + 4)
    assert (tmp_path / samples.FILE).stat().st_size < 150_000
