"""Convolution, normalization and activation."""

from __future__ import annotations

import keras
import numpy as np

from trainyard.trainer_modules.layers.convolution import activated, convolution, normalization

MAPS = np.random.default_rng(0).normal(3, 2, (16, 7, 5, 2)).astype(np.float32)


def test_a_convolution_keeps_the_size_but_for_the_stride():
    assert convolution(4, 3, "same")(MAPS).shape == (16, 7, 5, 4)
    assert convolution(4, 3, "half", stride=2)(MAPS).shape == (16, 4, 3, 4)


def test_initializer_and_bias():
    layer = convolution(4, 3, "zero", bias=True, initializer="zeros")
    assert not np.any(layer(MAPS))
    assert len(layer.weights) == 2
    plain = convolution(4, 3, "plain")
    assert np.any(plain(MAPS))
    assert len(plain.weights) == 1


def test_a_normalization_knows_the_data_after_thirty_batches():
    layer = normalization("quick")
    for _ in range(30):
        layer(MAPS, training=True)
    outputs = np.asarray(layer(MAPS, training=False))
    np.testing.assert_allclose(outputs.mean((0, 1, 2)), 0, atol=0.2)
    np.testing.assert_allclose(outputs.std((0, 1, 2)), 1, atol=0.2)


def test_gamma():
    assert not np.any(normalization("none", gamma="zeros")(MAPS, training=True))


def names(**options) -> list[str]:
    inputs = keras.Input(MAPS.shape[1:])
    model = keras.Model(inputs, activated(inputs, "a", **options))
    return [layer.name for layer in model.layers[1:]]


def test_activated():
    assert names() == ["a_normalization", "a_activation"]
    assert names(normalized=False) == ["a_activation"]
    assert np.asarray(activated(MAPS, "b", normalized=False)).min() == 0
    assert np.asarray(activated(MAPS, "c", "elu", normalized=False)).min() < 0
