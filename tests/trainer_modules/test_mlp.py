"""Every branch of every option of the multi-layer perceptron."""

from __future__ import annotations

import dataclasses
import typing

import keras
import numpy as np
import pytest

from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules import mlp
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec

SPEC = ModelSpec.of_one(
    {"kind_id": InputSpec((1,), "int64", 7), "numeric": InputSpec((3,), "float32")},
    "binary",
    LabelSpec(10, ("0", "1"), (5, 5)),
    Trainer(),
)
BATCH = {"kind_id": np.array([[6], [0]]), "numeric": np.ones((2, 3), np.float32)}


def built(**params) -> keras.Model:
    model = mlp.build_model(dataclasses.replace(mlp.TINY, **params), SPEC)
    assert model.predict(BATCH, verbose=0).shape == (2, 1)
    model.fit(BATCH, np.array([[0], [1]]), verbose=0)
    return model


def kinds(model: keras.Model) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_hidden_layers():
    model = built(hidden=(5, 4, 3))
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [5, 4, 3, 1]


def test_without_hidden_layers_it_is_linear():
    assert kinds(built(hidden=())).count("Dense") == 1


ACTIVATIONS = typing.get_args(typing.get_type_hints(mlp.Params)["activation"])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    layer = built(activation=name).get_layer("activation_1")
    assert layer.activation is keras.activations.get(name)


def test_dropout():
    assert "Dropout" not in kinds(built(dropout=0.0))
    assert built(dropout=0.4).get_layer("dropout_1").rate == 0.4


def test_batch_normalization_comes_before_the_activation():
    assert "BatchNormalization" not in kinds(built())
    names = [layer.name for layer in built(batch_normalization=True).layers]
    assert names.index("hidden_1") < names.index("normalization_1") < names.index("activation_1")


def test_penalties():
    assert built().get_layer("hidden_1").kernel_regularizer is None
    penalty = built(l1=0.1, l2=0.2).get_layer("hidden_1").kernel_regularizer
    assert (float(penalty.l1), float(penalty.l2)) == pytest.approx((0.1, 0.2))


def test_embeddings():
    assert built(embedding_dimension=5).get_layer("kind_id_embedding").output_dim == 5
    assert built(embedding_dimension="auto").get_layer("kind_id_embedding").output_dim == 5
    assert built(embedding_dimension=1).get_layer("features").output.shape == (None, 4)


def test_one_hot():
    model = built(categories="one_hot")
    assert "Embedding" not in kinds(model)
    encoded = keras.Model(model.input, model.get_layer("kind_id_one_hot").output)
    np.testing.assert_array_equal(encoded.predict(BATCH, verbose=0), np.eye(7)[[6, 0]])


def test_a_single_input_needs_no_joining():
    only = dataclasses.replace(SPEC, inputs={"numeric": SPEC.inputs["numeric"]})
    assert "Concatenate" not in kinds(mlp.build_model(mlp.TINY, only))
