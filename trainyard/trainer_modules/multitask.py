"""Several things from one row: a trunk that all heads share, and a tower for each of them.

A recipe names the heads; each has its own label, task, loss and weight:

    heads:
      income: {label: income, task: binary}
      age: {label: age, task: regression, weight: 0.5}
    trainer: {module: multitask, params: {trunk: [128], tower: [32]}}

Source: Caruana, Multitask Learning, 1997 (https://doi.org/10.1023/A:1007379606734); Ruder,
An Overview of Multi-Task Learning in Deep Neural Networks, 2017, hard parameter sharing
(https://arxiv.org/abs/1706.05098).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import keras
from pydantic import Field

from trainyard.trainer_modules.harness import heads, names, preprocessing, tabular
from trainyard.trainer_modules.harness import metrics as known_metrics
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.trainer_modules.layers import dense
from trainyard.trainer_modules.layers.dense import Activation, Penalty, Units


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    Attributes:
        trunk: Units of each hidden layer that all heads share.
        tower: Units of each hidden layer that a head has to itself; empty: the heads stand
            on the trunk.
        activation: Of the hidden layers.
        dropout: Share of each hidden layer's outputs that training drops.
        batch_normalization: Whether each hidden layer is normalized before its activation.
        l1: Penalty on the absolute weights of hidden layers.
        l2: Penalty on the squared weights of hidden layers.
        categories: How categories become vectors.
        embedding_dimension: Length of each embedding; `auto` follows the vocabulary's size.
    """

    trunk: tuple[Units, ...] = (128,)
    tower: tuple[Units, ...] = (64,)
    activation: Activation = "relu"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    batch_normalization: bool = False
    l1: Penalty = 0.0
    l2: Penalty = 0.0
    categories: Literal["embedding", "one_hot"] = "embedding"
    embedding_dimension: Units | Literal["auto"] = "auto"


INPUTS: Literal["table", "image", "text"] = "table"
TINY = Params(trunk=(16,), tower=(8,), dropout=0.0, embedding_dimension=2)

preprocess = preprocessing.preprocess
metrics = known_metrics.standard


def build_model(params: Params, spec: ModelSpec) -> keras.Model:
    """Builds the compiled model.

    Args:
        params: Hyperparameters.
        spec: Inputs, heads and training.
    """
    inputs = spec.keras_inputs()
    vector = tabular.encode(
        inputs, spec, categories=params.categories, dimension=params.embedding_dimension
    )
    layers = dense.Stack(
        params.activation, params.dropout, params.batch_normalization, params.l1, params.l2
    )
    shared = layers(vector, params.trunk, "trunk_")  # (B, units)
    towers = {head: layers(shared, params.tower, names.of(head, "tower_")) for head in spec.heads}
    return heads.compiled(inputs, towers, spec)
