"""Each change by itself: what it does in training, and that it does nothing else."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainyard.trainer_modules.layers.augmentation import Augmentation

IMAGES = np.random.default_rng(0).random((64, 6, 5, 2), np.float32)


def changed(augmentation: Augmentation, images=IMAGES, seed=1, training=True) -> np.ndarray:
    inputs = keras.Input(images.shape[1:])
    model = keras.Model(inputs, augmentation(inputs, seed))
    return np.asarray(model(images, training=training))


CHANGES = [
    Augmentation(flip="horizontal"),
    Augmentation(flip="vertical"),
    Augmentation(flip="both"),
    Augmentation(rotation=0.1),
    Augmentation(translation=0.3),
    Augmentation(zoom=0.3),
    Augmentation(contrast=0.3),
]


@pytest.mark.parametrize("augmentation", CHANGES, ids=str)
def test_in_training_only_and_by_the_seed(augmentation):
    first = changed(augmentation)
    assert not np.allclose(first, IMAGES)
    np.testing.assert_array_equal(first, changed(augmentation))
    assert not np.allclose(first, changed(augmentation, seed=2))
    np.testing.assert_array_equal(changed(augmentation, training=False), IMAGES)


def test_the_default_adds_no_layer():
    inputs = keras.Input((6, 5, 2))
    assert Augmentation()(inputs, 1) is inputs


def ways(flip: str) -> list[int]:
    """How many images stayed, were mirrored, turned upside down, or both."""
    outputs = changed(Augmentation(flip=flip))
    kinds = [IMAGES, IMAGES[:, :, ::-1], IMAGES[:, ::-1], IMAGES[:, ::-1, ::-1]]
    return [int((outputs == kind).all(axis=(1, 2, 3)).sum()) for kind in kinds]


def test_flips_throw_a_coin_for_each_way():
    left, up, both = ways("horizontal"), ways("vertical"), ways("both")
    assert min(left[0], left[1]) > 16 and left[2:] == [0, 0]
    assert min(up[0], up[2]) > 16 and up[1::2] == [0, 0]
    assert min(both) > 6
    assert {sum(left), sum(up), sum(both)} == {64}


def test_each_change_has_a_seed_of_its_own():
    inputs = keras.Input((6, 5, 2))
    all_of_them = Augmentation("both", rotation=0.1, translation=0.1, zoom=0.1, contrast=0.1)
    layers = keras.Model(inputs, all_of_them(inputs, 7)).layers[1:]
    assert [layer.seed for layer in layers] == [7, 8, 9, 10, 11, 12]


def test_translation_goes_at_most_so_far():
    line = np.tile(np.linspace(0, 1, 101, dtype=np.float32)[None, :, None, None], (64, 1, 101, 1))
    shift = changed(Augmentation(translation=0.2), line)[:, 50, 50, 0] - 0.5
    most = 0.2 * 101 / 100 + 1e-5
    assert 0.15 < shift.max() <= most
    assert -most <= shift.min() < -0.15


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_contrast_goes_both_ways_at_any_scale(scale):
    images = IMAGES * scale
    ratio = changed(Augmentation(contrast=0.3), images).std((1, 2)) / images.std((1, 2))
    assert 0.699 < ratio.min() < 0.75
    assert 1.25 < ratio.max() < 1.301


@pytest.mark.parametrize(
    ("fill", "black"), [("constant", True), ("nearest", False), ("reflect", False)]
)
def test_fill(fill, black):
    white = np.ones((8, 9, 9, 1), np.float32)
    outputs = changed(Augmentation(translation=0.5, fill=fill), white)
    assert (outputs.min() == 0) == black
