"""Residual networks against published counts, and every branch of every option."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from tests.trainer_modules.images import SHAPE, loss_by_heart, one_batch, specification
from trainyard.errors import RecipeError
from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules import registry, resnet
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec

LARGE = resnet.Params(stages=(2, 2, 2, 2), filters=64, stem="imagenet")


def built(shape=SHAPE, **params) -> keras.Model:
    spec = specification("binary", shape)
    return resnet.build_model(dataclasses.replace(resnet.TINY, **params), spec)


def trainable(params: resnet.Params, shape: tuple[int, ...], classes: int) -> int:
    label = LabelSpec(classes, tuple(map(str, range(classes))), (1,) * classes)
    spec = ModelSpec.of_one({"image": InputSpec(shape, "float32")}, "multiclass", label, Trainer())
    model = resnet.build_model(params, spec)
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize(
    ("block", "stages", "count"),
    [
        ("basic", (2, 2, 2, 2), 11_689_512),
        ("basic", (3, 4, 6, 3), 21_797_672),
        ("bottleneck", (3, 4, 6, 3), 25_557_032),
        ("bottleneck", (3, 4, 23, 3), 44_549_160),
    ],
    ids=["18", "34", "50", "101"],
)
def test_as_many_parameters_as_published(block, stages, count):
    """Source: https://pytorch.org/vision/stable/models.html (ResNet)."""
    params = dataclasses.replace(LARGE, block=block, stages=stages)
    assert trainable(params, (224, 224, 3), 1000) == count


def test_preactivation_has_as_many_parameters_as_published():
    """`keras.applications.ResNet50V2` is the same network, but for biases that do no good.

    It has them in the stem (64), in the last convolution of each block (15,104) and in
    projections (3,840).
    """
    params = dataclasses.replace(LARGE, block="bottleneck", stages=(3, 4, 6, 3), preactivation=True)
    biases = 64 + 15_104 + 3_840
    assert trainable(params, (224, 224, 3), 1000) == 25_568_360 - biases


def test_the_default_is_resnet_20():
    """The paper's 0.27 million are 269,722 with shortcuts without weights (option A).

    Two projections and their normalizations come on top.
    """
    projections = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    assert trainable(resnet.Params(), (32, 32, 3), 10) == 269_722 + projections


@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_every_kind_learns(block, preactivation):
    keras.utils.set_random_seed(1)
    spec = specification("binary", (20, 16, 3), optimizer={"learning_rate": 0.01})
    params = resnet.Params(block, (1, 2), 8, "imagenet", preactivation)
    model = resnet.build_model(params, spec)
    assert loss_by_heart(model, spec, 80) < 0.1


def shape_of(model: keras.Model, name: str) -> tuple[int, ...]:
    return model.get_layer(name).output.shape[1:]


def test_every_stage_but_the_first_halves_and_doubles():
    model = built((28, 20, 1), stages=(1, 2, 1))
    assert shape_of(model, "stage_1_block_1_sum") == (28, 20, 8)
    assert shape_of(model, "stage_2_block_1_sum") == (14, 10, 16)
    assert shape_of(model, "stage_2_block_2_sum") == (14, 10, 16)
    assert shape_of(model, "stage_3_block_1_sum") == (7, 5, 32)


def test_the_large_stem_quarters():
    model = built((64, 48, 3), stem="imagenet")
    assert shape_of(model, "stem") == (32, 24, 8)
    assert shape_of(model, "stage_1_block_1_sum") == (16, 12, 8)
    assert shape_of(built((64, 48, 3)), "stage_1_block_1_sum") == (64, 48, 8)


def projections(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if layer.name.endswith("_projection")]


@pytest.mark.parametrize("preactivation", [False, True])
def test_shortcuts_are_projected_only_where_the_shape_changes(preactivation):
    assert projections(built(stages=(2, 2), preactivation=preactivation)) == [
        "stage_2_block_1_projection"
    ]
    model = built(stages=(2, 2), block="bottleneck", preactivation=preactivation)
    assert projections(model) == ["stage_1_block_1_projection", "stage_2_block_1_projection"]


def test_a_bottleneck_strides_in_its_middle():
    model = built(block="bottleneck")
    layers = [model.get_layer(f"stage_2_block_1_convolution_{n}") for n in (1, 2, 3)]
    assert [layer.kernel_size[0] for layer in layers] == [1, 3, 1]
    assert [layer.strides[0] for layer in layers] == [1, 2, 1]
    assert [layer.filters for layer in layers] == [16, 16, 64]


def before(model: keras.Model, name: str) -> str:
    return model.get_layer(name).input._keras_history.operation.name


def test_activation_after_the_sum_or_before_the_convolution():
    after = built()
    assert before(after, "stage_1_block_1_activation") == "stage_1_block_1_sum"
    assert before(after, "stage_2_block_1_convolution_1") == "stage_1_block_1_activation"
    assert before(after, "stage_2_block_1_projection") == "stage_1_block_1_activation"
    assert before(after, "summary") == "stage_2_block_1_activation"
    earlier = built(preactivation=True)
    assert before(earlier, "stage_1_block_1_normalization") == "stem"
    assert before(earlier, "stage_2_block_1_normalization") == "stage_1_block_1_sum"
    assert before(earlier, "stage_2_block_1_convolution_1") == "stage_2_block_1_activation"
    assert before(earlier, "stage_2_block_1_projection") == "stage_2_block_1_activation"
    assert before(earlier, "summary") == "final_activation"


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("preactivation", [False, True])
def test_blocks_can_start_as_their_shortcuts_and_then_learn(preactivation, block):
    spec = specification("binary")
    x, y = one_batch(spec)
    params = {"block": block, "stages": (2,), "preactivation": preactivation}
    end = f"stage_1_block_2_convolution_{len(resnet.KERNELS[block])}"
    end += "" if preactivation else "_normalization"

    def strength(zero: bool, epochs: int) -> float:
        chosen = dataclasses.replace(resnet.TINY, zero_residual=zero, **params)
        model = resnet.build_model(chosen, spec)
        model.fit(x, y, epochs=epochs, verbose=0)
        branch = keras.Model(model.input, model.get_layer(end).output)
        return float(np.abs(branch.predict(x, verbose=0)).max())

    assert strength(True, 0) == 0
    assert strength(True, 3) > 0
    assert strength(False, 0) > 0.1


@pytest.mark.parametrize("values", [{"stages": []}, {"stages": [2, 0]}, {"block": "wide"}])
def test_params_that_are_wrong(values):
    with pytest.raises(RecipeError, match=rf"trainer\.params\.{next(iter(values))}"):
        registry.params(resnet, values)
