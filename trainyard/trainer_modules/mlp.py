"""Multi-layer perceptron for tables: dense layers over scaled numbers and embedded categories.

Source: Guo and Berkhahn, Entity Embeddings of Categorical Variables, 2016
(https://arxiv.org/abs/1604.06737); Gorishniy et al., Revisiting Deep Learning
Models for Tabular Data, 2021 (https://arxiv.org/abs/2106.11959).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import keras
from pydantic import Field

from trainyard.trainer_modules.harness import heads, preprocessing, tabular
from trainyard.trainer_modules.harness import metrics as known_metrics
from trainyard.trainer_modules.harness.spec import ModelSpec

Units = Annotated[int, Field(ge=1)]
Penalty = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    Attributes:
        hidden: Units of each hidden layer; empty for a linear model.
        activation: Of the hidden layers.
        dropout: Share of each hidden layer's outputs that training drops.
        batch_normalization: Whether each hidden layer is normalized before its activation.
        l1: Penalty on the absolute weights of hidden layers.
        l2: Penalty on the squared weights of hidden layers.
        categories: How categories become vectors.
        embedding_dimension: Length of each embedding; `auto` follows the vocabulary's size.
    """

    hidden: tuple[Units, ...] = (128, 64)
    activation: Literal[
        "relu", "gelu", "silu", "tanh", "sigmoid", "elu", "selu", "leaky_relu", "mish", "softplus"
    ] = "relu"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    batch_normalization: bool = False
    l1: Penalty = 0.0
    l2: Penalty = 0.0
    categories: Literal["embedding", "one_hot"] = "embedding"
    embedding_dimension: Units | Literal["auto"] = "auto"


INPUTS: Literal["table", "image", "text"] = "table"
TINY = Params(hidden=(16,), dropout=0.0, embedding_dimension=2)

preprocess = preprocessing.preprocess
metrics = known_metrics.standard


def build_model(params: Params, spec: ModelSpec) -> keras.Model:
    """Builds the compiled model.

    Args:
        params: Hyperparameters.
        spec: Inputs, task and training.
    """
    inputs = spec.keras_inputs()
    vector = tabular.encode(
        inputs, spec, categories=params.categories, dimension=params.embedding_dimension
    )
    for number, units in enumerate(params.hidden, start=1):
        vector = _hidden_layer(vector, units, params, number)  # (B, units)
    return heads.compiled(inputs, vector, spec)


def _hidden_layer(
    vector: keras.KerasTensor, units: int, params: Params, number: int
) -> keras.KerasTensor:
    penalty = keras.regularizers.L1L2(params.l1, params.l2) if params.l1 or params.l2 else None
    vector = keras.layers.Dense(units, kernel_regularizer=penalty, name=f"hidden_{number}")(vector)
    if params.batch_normalization:
        vector = keras.layers.BatchNormalization(name=f"normalization_{number}")(vector)
    vector = keras.layers.Activation(params.activation, name=f"activation_{number}")(vector)
    if params.dropout:
        vector = keras.layers.Dropout(params.dropout, name=f"dropout_{number}")(vector)
    return vector
