"""Encoded images through Transform, run_fn, export and what is served, for real."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules.images import encoded, pictures
from tests.trainer_modules.tables import serialize
from trainyard.components.evaluator import models
from trainyard.components.pusher import contract
from trainyard.trainer_modules import large_image
from trainyard.trainer_modules.harness import (
    backbones,
    description,
    export,
    inputs,
    spec,
    training,
)
from trainyard.trainer_modules.harness.weights_file import PUSHED_MODEL

LARGE = {
    "backbone": "vit",
    "vit": {"patch": 8, "width": 16, "depth": 1, "heads": 2},
    "mixup": 0.5,
}


@pytest.fixture(scope="module")
def trained(transformed, tmp_path_factory):
    """A training of `cnn` that has ended; the SavedModel has been moved, as a push does."""
    run = tmp_path_factory.mktemp("trained") / "run"
    made = transformed("multiclass", "cnn")
    params = {"filters": [8], "convolutions": 1}
    training.run_fn(made.fn_args(run, module="cnn", params=params, class_weights="balanced"))
    shutil.move(run / "Format-Serving", run / "1")
    return made, run


def test_what_is_exported_can_be_trained_on(trained, tmp_path):
    """It is in the SavedModel, and cut at the image's vector it is a backbone."""
    made, run = trained
    file = run / "1" / PUSHED_MODEL
    assert file.read_bytes() == (run / "model_run" / export.MODEL_FILE).read_bytes()
    params = {"weights": str(run / "1"), "fine_tune": 0}
    training.run_fn(made.fn_args(tmp_path, module="transfer", params=params))
    first = keras.saving.load_model(file, compile=False)
    second = keras.saving.load_model(tmp_path / "model_run" / export.MODEL_FILE, compile=False)
    backbone = second.get_layer(backbones.BACKBONE)
    assert backbone.layers[-1].name == backbones.FEATURES
    learned = [layer for layer in backbone.layers if layer.weights]
    assert len(learned) == 2  # a convolution and its normalization
    for layer in learned:
        origin = first.get_layer(layer.name).get_weights()
        for ours, theirs in zip(layer.get_weights(), origin, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_both_signatures_answer_as_the_training_graph(trained):
    made, run = trained
    examples = [serialize(row) for row in pictures(20, seed=5)]
    assert (
        contract.check(
            saved_model=run / "1",
            model_run=run / "model_run",
            transform_graph=made.graph,
            examples=examples,
        )
        <= contract.TOLERANCE / 100
    ), "both are compiled: the same operations, the same rounding"


def test_a_client_sends_columns_by_name(trained):
    _, run = trained
    rows = pictures(3, seed=5)
    raw = tf.saved_model.load(str(run / "1")).signatures[export.RAW]
    answer = raw(
        image=tf.constant([row["image"] for row in rows]),
        kind=tf.constant(["ant", "", "never seen"]),
        weight=tf.constant([40.0, np.nan, 1.0]),
    )
    rows[1] |= {"kind": None, "weight": None}
    rows[0] |= {"kind": "ant", "weight": 40.0}
    rows[2] |= {"kind": "never seen", "weight": 1.0}
    expected = export.Served(run / "1").predictions([serialize(row) for row in rows])
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-6)


def test_what_is_no_image_is_an_error_and_the_server_goes_on(trained):
    _, run = trained
    served = tf.saved_model.load(str(run / "1")).signatures["serving_default"]
    good = serialize(pictures(1)[0])
    before = served(tf.constant([good]))["predictions"].numpy()
    for bad in (b"<html>", b"", b"\xff\xd8\xff broken"):
        row = serialize(pictures(1)[0] | {"image": bad})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?i)jpeg"):
            served(tf.constant([good, row]))
    np.testing.assert_array_equal(served(tf.constant([good]))["predictions"], before)


def test_the_description_says_what_an_image_becomes(trained):
    _, run = trained
    told = description.read(run / "1")
    assert told.inputs == {"image": "string", "kind": "string", "weight": "float32"}
    assert told.images["image"].shape == (32, 32, 3)
    assert told.rows(8 << 20, at_most=4096) == (8 << 20) // (4 * 32 * 32 * 3)
    assert models._rows(told) == told.rows(models.PREDICT_BYTES, at_most=4096)


def of(transformed, task, module, folder, **trainer):
    made = transformed(task, module)
    read = training.Training.of(made.fn_args(folder / "run", module=module, **trainer))
    return read, spec.build(read.config, read.transform_output, read.train, read.held_out)


@pytest.mark.parametrize(
    ("pixels", "memory", "held"),
    [
        (True, inputs.IN_MEMORY_BYTES, tf.uint8),
        (False, inputs.IN_MEMORY_BYTES, tf.string),
        (True, 0, None),
    ],
)
def test_pixels_are_held_or_made_and_what_comes_is_the_same(
    pixels, memory, held, transformed, tmp_path
):
    read, built = of(transformed, "binary", "cnn", tmp_path)
    known = read.config.images if pixels else {}
    train = inputs.Examples(read.train.files, read.train.features, memory, images=known)
    assert (train.held and train.held["image"].dtype) == held
    expected = inputs.make_dataset(None, built, read.train, None)
    for (x, y), (x_expected, y_expected) in zip(
        inputs.make_dataset(None, built, train, None), expected, strict=True
    ):
        assert x["image"].shape[1:] == (32, 32, 3)
        assert 0 <= float(tf.reduce_min(x["image"])) < float(tf.reduce_max(x["image"])) <= 1
        np.testing.assert_array_equal(x["image"], x_expected["image"])
        np.testing.assert_array_equal(y, y_expected)


def test_augmentation_is_of_training_batches_and_follows_the_seed(transformed, tmp_path):
    settings = {"params": LARGE, "class_weights": "balanced"}
    read, built = of(transformed, "multiclass", "large_image", tmp_path, **settings)
    params = large_image.Params(vit=large_image.TINY.vit, backbone="vit", mixup=0.5)

    def batches(epochs):
        augment = large_image.augment(params, built)
        return list(inputs.make_dataset(params, built, read.train, epochs, augment=augment))

    first, again = batches(range(1)), batches(range(1))
    for (x, y, weights), (x_again, y_again, _) in zip(first, again, strict=True):
        np.testing.assert_array_equal(x["image"], x_again["image"])
        np.testing.assert_array_equal(y, y_again)
        counts = np.array(built.label.class_counts)
        by_class = counts.sum() / (len(counts) * counts)
        np.testing.assert_allclose(weights[:, 0], y.numpy() @ by_class, rtol=1e-5)
    held_out = batches(None)
    assert all(len(batch) == 2 and batch[1].dtype == tf.int64 for batch in held_out)


@pytest.mark.parametrize("task", ["multiclass", "regression"])  # MixUp has labels to mix, or none
def test_a_module_that_augments_trains(task, transformed, tmp_path):
    made = transformed(task, "large_image")
    training.run_fn(made.fn_args(tmp_path / "run", module="large_image", params=LARGE, epochs=1))
    served = export.Served(tmp_path / "run" / "Format-Serving").predictions(
        [serialize(row) for row in pictures(4)]
    )
    assert np.isfinite(served).all()


def test_an_image_of_another_size_is_resized_when_served(trained):
    _, run = trained
    pixels = np.full((300, 200, 3), 128, np.uint8)
    rows = [pictures(1)[0] | {"image": encoded(pixels[:h, :w])} for h, w in ((300, 200), (9, 9))]
    one, other = export.Served(run / "1").predictions([serialize(row) for row in rows])
    np.testing.assert_allclose(one, other, atol=1e-4)
