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
from trainyard.trainer_modules.layers import dense
from trainyard.trainer_modules.layers.dense import Activation, Penalty, Units


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
    activation: Activation = "relu"
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
    layers = dense.Stack(
        params.activation, params.dropout, params.batch_normalization, params.l1, params.l2
    )
    return heads.compiled(inputs, layers(vector, params.hidden), spec)
