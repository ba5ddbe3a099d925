"""Convolutional network for images: blocks of convolutions, each followed by pooling.

Source: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale
Image Recognition, 2014 (https://arxiv.org/abs/1409.1556), with batch
normalization (https://arxiv.org/abs/1502.03167) and, in place of its wide dense
layers, global average pooling (https://arxiv.org/abs/1312.4400).
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
from trainyard.trainer_modules.layers.convolution import activated, convolution

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    Attributes:
        filters: Of the convolutions of each block.
        convolutions: In each block.
        kernel: Height and width that a convolution looks at.
        activation: After each convolution and hidden layer.
        batch_normalization: Whether what a convolution or hidden layer gives is normalized.
        pooling: How each block ends, halving height and width; `stride` lets its last
            convolution do so.
        summary: What becomes of the last block's maps: each one's `average` or `max`, or all
            values in a row (`flatten`).
        hidden: Units of each dense layer between that and the prediction.
        spatial_dropout: Share of each block's maps that training drops.
        dropout: Share of the vector, and of each hidden layer's outputs, that training drops.
        augmentation: How training images are changed.
    """

    filters: Annotated[tuple[Count, ...], Field(min_length=1)] = (32, 64, 128)
    convolutions: Count = 2
    kernel: Count = 3
    activation: Literal["relu", "gelu", "silu", "elu", "leaky_relu", "mish"] = "relu"
    batch_normalization: bool = True
    pooling: Literal["max", "average", "stride"] = "max"
    summary: Literal["average", "max", "flatten"] = "average"
    hidden: tuple[Count, ...] = ()
    spatial_dropout: Rate = 0.0
    dropout: Rate = 0.3
    augmentation: Augmentation = field(default_factory=Augmentation)


INPUTS: Literal["table", "image", "text"] = "image"
TINY = Params(filters=(8,), convolutions=1, summary="flatten", dropout=0.0)

preprocess = preprocessing.preprocess
metrics = known_metrics.standard

POOLING = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}
SUMMARY = {
    "average": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
    "flatten": keras.layers.Flatten,
}


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
    for number, filters in enumerate(params.filters, start=1):
        maps = _block(maps, filters, params, f"block_{number}")  # (B, H / 2^n, W / 2^n, filters)
    vector = _dropped(SUMMARY[params.summary](name="summary")(maps), params, "dropout")
    vector = image_inputs.with_others(vector, inputs, spec)
    for number, units in enumerate(params.hidden, start=1):
        vector = _hidden_layer(vector, units, params, number)  # (B, units)
    return heads.compiled(inputs, vector, spec)


def _block(maps: keras.KerasTensor, filters: int, params: Params, name: str) -> keras.KerasTensor:
    normalized = params.batch_normalization
    for number in range(1, params.convolutions + 1):
        halving = params.pooling == "stride" and number == params.convolutions
        place, stride = f"{name}_convolution_{number}", 2 if halving else 1
        maps = convolution(filters, params.kernel, place, stride=stride, bias=not normalized)(maps)
        maps = activated(maps, place, params.activation, normalized=normalized)
    if params.pooling in POOLING:
        # `same`: an image of any size can be halved any number of times.
        maps = POOLING[params.pooling](2, padding="same", name=f"{name}_pooling")(maps)
    if params.spatial_dropout:
        drop = keras.layers.SpatialDropout2D(params.spatial_dropout, name=f"{name}_dropout")
        maps = drop(maps)
    return maps


def _hidden_layer(
    vector: keras.KerasTensor, units: int, params: Params, number: int
) -> keras.KerasTensor:
    name, normalized = f"hidden_{number}", params.batch_normalization
    vector = keras.layers.Dense(units, use_bias=not normalized, name=name)(vector)
    vector = activated(vector, name, params.activation, normalized=normalized)
    return _dropped(vector, params, f"{name}_dropout")


def _dropped(vector: keras.KerasTensor, params: Params, name: str) -> keras.KerasTensor:
    return keras.layers.Dropout(params.dropout, name=name)(vector) if params.dropout else vector
