"""Large-scale image recognition: a modern backbone from scratch, with strong augmentation.

    trainer:
      module: large_image
      params: {backbone: ConvNeXtTiny, rand_augment: 0.5, mixup: 0.2, cutmix: 1.0}
      epochs: 300
      optimizer: {name: adamw, learning_rate: 1e-3, weight_decay: 0.05}
      schedule: {name: cosine, warmup: 0.03}
      loss: {name: categorical_crossentropy, label_smoothing: 0.1}

Source: Steiner et al., How to train your ViT?, 2021 (https://arxiv.org/abs/2106.10270);
Liu et al., A ConvNet for the 2020s, 2022 (https://arxiv.org/abs/2201.03545); Tan and
Le, EfficientNetV2, 2021 (https://arxiv.org/abs/2104.00298).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import keras
import tensorflow as tf
from pydantic import Field

from trainyard.trainer_modules.harness import (
    backbones,
    heads,
    image_inputs,
    names,
    preprocessing,
    soft_labels,
)
from trainyard.trainer_modules.harness import metrics as known_metrics
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.trainer_modules.harness.weights_file import FROM_FILE, Weights
from trainyard.trainer_modules.layers import mixing
from trainyard.trainer_modules.layers.vision_transformer import Transformer

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    Attributes:
        backbone: A network of keras.applications, such as EfficientNetV2S or ConvNeXtTiny, or
            `vit`, a vision transformer.
        options: For the constructor of a network of keras.applications.
        vit: The size of the vision transformer.
        weights: Where a network of keras.applications starts from, as in `transfer`.
        pooling: How the backbone's maps become a vector.
        dropout: Share of that vector that training drops.
        flip: Share of the training images that are mirrored, left to right.
        rand_augment: Strength of the random operations on training images; 0: none.
        operations: How many of them an image.
        mixup: How evenly two images are laid over each other (alpha); 0: never.
        cutmix: How evenly the area is shared where one is pasted into another (alpha); 0: never.
    """

    backbone: Literal["vit"] | backbones.Name = "EfficientNetV2B0"
    options: Mapping[str, Any] = field(default_factory=dict)
    vit: Transformer = field(default_factory=Transformer)
    weights: Weights = field(default="none", metadata=FROM_FILE)
    pooling: Literal["average", "max"] = "average"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    flip: Share = 0.5
    rand_augment: Share = 0.3
    operations: Annotated[int, Field(ge=1)] = 2
    mixup: Share = 0.2
    cutmix: Share = 1.0


INPUTS: Literal["table", "image", "text"] = "image"
TINY = Params(
    backbone="vit", vit=Transformer(8, 16, 2, 2, 2, dropout=0.0), dropout=0.0, operations=1
)

preprocess = preprocessing.preprocess
metrics = known_metrics.standard


def build_model(params: Params, spec: ModelSpec) -> keras.Model:
    """Builds the compiled model.

    Args:
        params: Hyperparameters.
        spec: Inputs, task and training.

    Raises:
        RecipeError: The images or the weights do not fit the backbone.
        EnvironmentProblem: The ImageNet weights cannot be downloaded.
    """
    inputs = spec.keras_inputs()
    image = image_inputs.image(inputs, spec)
    if params.backbone == "vit":
        maps = params.vit(image)
    else:
        maps = backbones.feature_map(image, params.backbone, params.weights, params.options)
    vector = backbones.vector(maps, params.pooling)  # (B, width)
    if params.dropout:
        vector = keras.layers.Dropout(params.dropout, name="summary_dropout")(vector)
    return heads.compiled(inputs, image_inputs.with_others(vector, inputs, spec), spec)


Batch = tuple[dict[str, tf.Tensor], Any]


def augment(params: Params, spec: ModelSpec) -> Callable[[dict[str, tf.Tensor], Any], Batch]:
    """Makes the function that changes training batches in the input pipeline.

    Args:
        params: Hyperparameters.
        spec: For the names of the inputs, the heads and the seed.

    Returns:
        Of inputs by name and labels `[B, 1]`, those of several heads by name. Where images are
        mixed, labels of a multiclass task become shares `[B, C]`, others stay `[B, 1]`.
    """
    name = next(name for name, entry in spec.inputs.items() if len(entry.shape) == 3)
    layers = mixing.operations(params.rand_augment)  # once: they own variables
    mixers = [keras.layers.MixUp(params.mixup)] if params.mixup else []
    mixers += [keras.layers.CutMix((params.cutmix, params.cutmix))] if params.cutmix else []

    def changed(inputs: dict[str, tf.Tensor], labels: Any) -> Batch:
        images = inputs[name]
        seed = mixing.BatchSeed.of(images, spec.training.seed)
        images = mixing.flipped(images, seed, params.flip)
        if params.rand_augment:
            images = mixing.rand_augment(images, seed, layers, params.operations)
        if mixers:
            images, labels = mixing.one_of(mixers, images, _shares(labels, spec), seed)
        return {**inputs, name: images}, labels

    return changed


def _shares(labels: Any, spec: ModelSpec) -> Any:
    parts = {
        name: soft_labels.shares(part, spec.heads[name].classes)
        if spec.heads[name].task == "multiclass"
        else tf.cast(part, tf.float32)
        for name, part in names.parted(labels).items()
    }
    return names.joined(parts)
