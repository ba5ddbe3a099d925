"""Residual network for images, of any depth.

    ResNet-18   {filters: 64, stem: imagenet, stages: [2, 2, 2, 2]}
    ResNet-34   {filters: 64, stem: imagenet, stages: [3, 4, 6, 3]}
    ResNet-50   {filters: 64, stem: imagenet, stages: [3, 4, 6, 3], block: bottleneck}
    ResNet-101  {filters: 64, stem: imagenet, stages: [3, 4, 23, 3], block: bottleneck}
    CIFAR-10's ResNet-20  {filters: 16, stem: cifar, stages: [3, 3, 3]}, the default

Weight decay is the optimizer's (`adamw`, or `weight_decay`). Where the shape
changes, the shortcut is a projection (option B); a bottleneck strides in its 3x3
convolution, as trained networks since do; paddings are TensorFlow's `same`.

Source: He et al., Deep Residual Learning for Image Recognition, 2015
(https://arxiv.org/abs/1512.03385); for pre-activation He et al., Identity Mappings
in Deep Residual Networks, 2016 (https://arxiv.org/abs/1603.05027).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import keras
from pydantic import Field

from trainyard.trainer_modules.harness import heads, image_inputs, preprocessing
from trainyard.trainer_modules.harness import metrics as known_metrics
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.trainer_modules.layers.augmentation import Augmentation
from trainyard.trainer_modules.layers.convolution import activated, convolution, normalization

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    Attributes:
        block: Two 3x3 convolutions, or 1x1, 3x3 and 1x1 with four times the maps.
        stages: Blocks in each stage; every stage but the first halves height and width.
        filters: Maps of the first stage; each stage has twice those before.
        stem: A 3x3 convolution, or for large images 7x7 and pooling, a quarter of the size.
        preactivation: Whether normalization and activation come before each convolution.
        zero_residual: Whether each block starts as its shortcut alone (Goyal et al., 2017,
            https://arxiv.org/abs/1706.02677).
        dropout: Share of the vector before the prediction that training drops.
        augmentation: How training images are changed.
    """

    block: Literal["basic", "bottleneck"] = "basic"
    stages: Annotated[tuple[Count, ...], Field(min_length=1)] = (3, 3, 3)
    filters: Count = 16
    stem: Literal["cifar", "imagenet"] = "cifar"
    preactivation: bool = False
    zero_residual: bool = True
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)


INPUTS: Literal["table", "image", "text"] = "image"
TINY = Params(stages=(1, 1), filters=8)

preprocess = preprocessing.preprocess
metrics = known_metrics.standard

KERNELS = {"basic": (3, 3), "bottleneck": (1, 3, 1)}
WIDENING = {"basic": 1, "bottleneck": 4}


def build_model(params: Params, spec: ModelSpec) -> keras.Model:
    """Builds the compiled model.

    Args:
        params: Hyperparameters.
        spec: Inputs, task and training.

    Raises:
        RecipeError: The inputs are not one image, and perhaps numbers and categories.
    """
    inputs = spec.keras_inputs()
    maps = params.augmentation(image_inputs.image(inputs, spec), spec.training.seed)
    maps = _stages(_stem(maps, params), params)  # (B, H / 2^n, W / 2^n, maps)
    vector = keras.layers.GlobalAveragePooling2D(name="summary")(maps)
    if params.dropout:
        vector = keras.layers.Dropout(params.dropout, name="dropout")(vector)
    return heads.compiled(inputs, image_inputs.with_others(vector, inputs, spec), spec)


def _stem(maps: keras.KerasTensor, params: Params) -> keras.KerasTensor:
    large = params.stem == "imagenet"
    kernel, stride = (7, 2) if large else (3, 1)
    maps = convolution(params.filters, kernel, "stem", stride=stride)(maps)
    if not params.preactivation:
        maps = activated(maps, "stem")
    if large:
        maps = keras.layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pooling")(maps)
    return maps


def _stages(maps: keras.KerasTensor, params: Params) -> keras.KerasTensor:
    for stage, blocks in enumerate(params.stages):
        for number in range(blocks):
            stride = 2 if stage and not number else 1
            name = f"stage_{stage + 1}_block_{number + 1}"
            maps = _block(maps, params.filters * 2**stage, stride, params, name)
    return activated(maps, "final") if params.preactivation else maps


def _block(
    maps: keras.KerasTensor, filters: int, stride: int, params: Params, name: str
) -> keras.KerasTensor:
    start = activated(maps, name) if params.preactivation else maps
    branch, shortcut = _branch(start, filters, stride, params, name), maps
    if stride > 1 or branch.shape[-1] != maps.shape[-1]:
        shortcut = convolution(branch.shape[-1], 1, f"{name}_projection", stride=stride)(start)
        if not params.preactivation:
            shortcut = normalization(f"{name}_projection_normalization")(shortcut)
    total = keras.layers.Add(name=f"{name}_sum")([branch, shortcut])
    return total if params.preactivation else keras.layers.ReLU(name=f"{name}_activation")(total)


def _branch(
    maps: keras.KerasTensor, filters: int, stride: int, params: Params, name: str
) -> keras.KerasTensor:
    *inner, last = KERNELS[params.block]
    for number, kernel in enumerate(inner, start=1):
        place, step = f"{name}_convolution_{number}", stride if kernel == 3 else 1
        maps = activated(convolution(filters, kernel, place, stride=step)(maps), place)
    width, place = filters * WIDENING[params.block], f"{name}_convolution_{len(inner) + 1}"
    if params.preactivation:
        # Not a scale of zero: the ReLU that follows it would stay dead.
        initializer = "zeros" if params.zero_residual else "he_normal"
        return convolution(width, last, place, initializer=initializer)(maps)
    maps = convolution(width, last, place)(maps)
    gamma = "zeros" if params.zero_residual else "ones"
    return normalization(f"{place}_normalization", gamma=gamma)(maps)
