"""Every branch of every option of the convolutional network."""

from __future__ import annotations

import dataclasses
import typing

import keras
import numpy as np
import pytest

from tests.trainer_modules.images import loss_by_heart, specification
from trainyard.errors import RecipeError
from trainyard.trainer_modules import cnn, registry

SPEC = specification("binary")


def built(**params) -> keras.Model:
    return cnn.build_model(dataclasses.replace(cnn.TINY, **params), SPEC)


def of_kind(model: keras.Model, kind: str) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if type(layer).__name__ == kind]


def test_blocks_and_their_convolutions():
    model = built(filters=(4, 6), convolutions=2, kernel=5)
    convolutions = of_kind(model, "Conv2D")
    assert [layer.filters for layer in convolutions] == [4, 4, 6, 6]
    assert {layer.kernel_size for layer in convolutions} == {(5, 5)}
    assert model.get_layer("block_2_pooling").output.shape == (None, 2, 2, 6)


@pytest.mark.parametrize(
    "params",
    [
        {"pooling": "average", "summary": "max"},
        {"pooling": "stride", "summary": "average", "convolutions": 2},
        {"hidden": (16,), "dropout": 0.1, "spatial_dropout": 0.1},
        {"hidden": (16,), "batch_normalization": False},
    ],
    ids=str,
)
def test_every_option_learns(params):
    keras.utils.set_random_seed(1)
    spec = specification("binary", optimizer={"learning_rate": 0.01})
    model = cnn.build_model(dataclasses.replace(cnn.TINY, **params), spec)
    assert loss_by_heart(model, spec, 150) < 0.3


@pytest.mark.parametrize("name", typing.get_args(typing.get_type_hints(cnn.Params)["activation"]))
def test_activation(name):
    model = built(activation=name, hidden=(4,))
    used = {layer.activation for layer in of_kind(model, "Activation")}
    assert used == {keras.activations.get(name)}


def test_batch_normalization_takes_the_place_of_biases():
    with_it = built(hidden=(4,))
    names = [layer.name for layer in with_it.layers]
    for name in ("block_1_convolution_1", "hidden_1"):
        assert not with_it.get_layer(name).use_bias
        following = names[names.index(name) + 1 :][:2]
        assert following == [f"{name}_normalization", f"{name}_activation"]
    without = built(hidden=(4,), batch_normalization=False)
    assert not of_kind(without, "BatchNormalization")
    assert without.get_layer("block_1_convolution_1").use_bias
    assert without.get_layer("hidden_1").use_bias


@pytest.mark.parametrize(
    ("pooling", "kind"), [("max", "MaxPooling2D"), ("average", "AveragePooling2D")]
)
def test_pooling(pooling, kind):
    model = built(pooling=pooling)
    assert [layer.output.shape for layer in of_kind(model, kind)] == [(None, 4, 4, 8)]


def test_the_last_convolution_of_a_block_can_stride():
    model = built(pooling="stride", convolutions=2)
    assert [layer.strides for layer in of_kind(model, "Conv2D")] == [(1, 1), (2, 2)]
    assert model.get_layer("summary").input.shape == (None, 4, 4, 8)


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("average", lambda maps: maps.mean(axis=(1, 2))),
        ("max", lambda maps: maps.max(axis=(1, 2))),
        ("flatten", lambda maps: maps.reshape(16, -1)),
    ],
)
def test_summary(summary, expected):
    layer = built(summary=summary).get_layer("summary")
    ends = keras.Model(layer.input, layer.output)
    maps = np.random.default_rng(0).random((16, 4, 4, 8), np.float32)
    np.testing.assert_allclose(ends.predict(maps, verbose=0), expected(maps), rtol=1e-5)


def test_hidden_layers():
    model = built(hidden=(5, 4))
    assert [layer.units for layer in of_kind(model, "Dense")] == [5, 4, 1]


def test_dropout_of_maps_and_of_vectors():
    assert not of_kind(built(), "Dropout") + of_kind(built(), "SpatialDropout2D")
    model = built(filters=(4, 4), hidden=(5,), spatial_dropout=0.1, dropout=0.4)
    assert [layer.rate for layer in of_kind(model, "SpatialDropout2D")] == [0.1, 0.1]
    assert [layer.rate for layer in of_kind(model, "Dropout")] == [0.4, 0.4]


@pytest.mark.parametrize("values", [{"filters": []}, {"filters": [0]}, {"summary": "mean"}])
def test_params_that_are_wrong(values):
    with pytest.raises(RecipeError, match=rf"trainer\.params\.{next(iter(values))}"):
        registry.params(cnn, values)
