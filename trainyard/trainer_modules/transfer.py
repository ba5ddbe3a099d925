"""Transfer learning: a pretrained backbone under a new head, then fine-tuned from the top.

    trainer:
      module: transfer
      params: {backbone: MobileNetV3Small, weights: imagenet, fine_tune: 20, stages: 2}

Source: Kornblith et al., Do Better ImageNet Models Transfer Better?, 2018
(https://arxiv.org/abs/1805.08974); gradual unfreezing: Howard and Ruder, 2018
(https://arxiv.org/abs/1801.06146); frozen batch normalization:
https://keras.io/guides/transfer_learning/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

import keras
from pydantic import Field

from trainyard.trainer_modules.harness import backbones, heads, image_inputs, preprocessing
from trainyard.trainer_modules.harness import metrics as known_metrics
from trainyard.trainer_modules.harness.phases import Phase
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.trainer_modules.harness.weights_file import FROM_FILE, Weights
from trainyard.trainer_modules.layers.augmentation import Augmentation

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    Attributes:
        backbone: A network of keras.applications; not read if `weights` is a Trainyard model.
        options: For the backbone's constructor, such as `alpha` of MobileNet.
        weights: `imagenet`; a file, .weights.h5 or .keras; {recipe: NAME}, or the folder of a
            pushed version; `none`: the whole network learns from the first step on.
        head_share: Share of the training in which only the head learns.
        fine_tune: How many of the backbone's top layers learn after that, batch normalization
            apart, which stays frozen.
        stages: In how many steps they are freed, from the top; 1: all at once.
        fine_tune_rate: Learning rate of fine-tuning, as a share of the recipe's.
        pooling: How the backbone's maps become a vector.
        dropout: Share of that vector that training drops.
        augmentation: How training images are changed.
    """

    backbone: backbones.Name = "EfficientNetV2B0"
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Weights = field(default="imagenet", metadata=FROM_FILE)
    head_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    fine_tune: Annotated[int, Field(ge=0)] = 20
    stages: Count = 1
    fine_tune_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    pooling: Literal["average", "max"] = "average"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    augmentation: Augmentation = field(default_factory=Augmentation)


INPUTS: Literal["table", "image", "text"] = "image"
TINY = Params(backbone="MobileNet", options={"alpha": 0.25}, weights="none", dropout=0.0)

preprocess = preprocessing.preprocess
metrics = known_metrics.standard


def build_model(params: Params, spec: ModelSpec) -> keras.Model:
    """Builds the compiled model, as its first phase trains it.

    Args:
        params: Hyperparameters.
        spec: Inputs, task and training.

    Raises:
        RecipeError: The images or the weights do not fit the backbone.
        EnvironmentProblem: The ImageNet weights cannot be downloaded.
    """
    inputs = spec.keras_inputs()
    image = params.augmentation(image_inputs.image(inputs, spec), spec.training.seed)
    maps = backbones.feature_map(image, params.backbone, params.weights, params.options)
    vector = backbones.vector(maps, params.pooling)  # (B, width)
    if params.dropout:
        vector = keras.layers.Dropout(params.dropout, name="dropout")(vector)
    model = heads.compiled(inputs, image_inputs.with_others(vector, inputs, spec), spec)
    phases(model, params, spec)[0].prepare(model)
    heads.compile_model(model, spec)
    return model


def phases(model: keras.Model, params: Params, spec: ModelSpec) -> Sequence[Phase]:
    """Names what learns when: the head alone, then more and more of the backbone.

    Args:
        model: What `build_model` returned.
        params: Hyperparameters.
        spec: Not read.

    Returns:
        One phase if there is nothing to protect, or nothing to fine-tune.
    """
    del spec
    if params.weights == "none":
        return [Phase("from scratch", 1.0, 1.0, _free_all)]
    top = min(params.fine_tune, len(backbones.learners(model.get_layer(backbones.BACKBONE))))
    stages = min(params.stages, top) if params.head_share < 1 else 0
    head = params.head_share if stages else 1.0
    counts = [round(top * stage / stages) for stage in range(1, stages + 1)]
    return [Phase("feature extraction", head, 1.0, partial(_free, count=0))] + [
        Phase(f"top {n}", (1 - head) / stages, params.fine_tune_rate, partial(_free, count=n))
        for n in counts
    ]


def _free(model: keras.Model, count: int) -> None:
    backbones.free(model.get_layer(backbones.BACKBONE), count)


def _free_all(model: keras.Model) -> None:
    model.trainable = True
