"""Text to a class or a number: embedded tokens, an encoder, and whatever else is in the row.

    features: {review: {kind: text, length: 60}}
    trainer: {module: text_classifier, params: {encoder: {kind: lstm, units: 64}}}

Source: Kim, Convolutional Neural Networks for Sentence Classification, 2014
(https://arxiv.org/abs/1408.5882), whose CNN-rand are the defaults; the averaged embeddings of
Joulin et al., 2016 (https://arxiv.org/abs/1607.01759) are `kind: average` and `ngrams: 2`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

import keras
from keras import ops
from pydantic import Field

from trainyard.trainer_modules.harness import embeddings, heads, preprocessing, tabular, texts
from trainyard.trainer_modules.harness import metrics as known_metrics
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.trainer_modules.layers.text_encoder import TextEncoder

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    Attributes:
        embedding: Length of each token's vector; if not given, 128, or what a file of them has.
        embedding_dropout: Share of the vectors' dimensions that training drops from each text.
        encoder: What makes one vector of a text.
        hidden: Units of each dense layer between that and the prediction.
        dropout: Share of the vector, and of each hidden layer's outputs, that training drops.
    """

    embedding: Count | None = None
    embedding_dropout: Rate = 0.0
    encoder: TextEncoder = field(default_factory=TextEncoder)
    hidden: tuple[Count, ...] = ()
    dropout: Rate = 0.5


INPUTS: Literal["table", "image", "text"] = "text"
TINY = Params(embedding=8, encoder=TextEncoder(units=8, kernels=(2,)), dropout=0.0)

preprocess = preprocessing.preprocess
metrics = known_metrics.standard


def warnings(params: Params) -> Iterator[str]:
    """Yields what is allowed, but worth a look."""
    return params.encoder.warnings("trainer.params.encoder")


def build_model(params: Params, spec: ModelSpec) -> keras.Model:
    """Builds the compiled model; each text has an encoder of its own.

    Args:
        params: Hyperparameters.
        spec: Inputs, task and training.

    Raises:
        RecipeError: The encoder's parameters do not go together.
    """
    inputs = spec.keras_inputs()
    encoded = {name: _encoded(inputs[name], name, params, spec) for name in spec.texts}
    vector = _dropped(tabular.with_others(encoded, inputs, spec), params, "dropout")
    for number, units in enumerate(params.hidden, start=1):
        vector = keras.layers.Dense(units, "relu", name=f"hidden_{number}")(vector)  # (B, units)
        vector = _dropped(vector, params, f"hidden_{number}_dropout")
    return heads.compiled(inputs, vector, spec)


def _encoded(
    ids: keras.KerasTensor, name: str, params: Params, spec: ModelSpec
) -> keras.KerasTensor:
    """From ids `[B, T]` to `[B, vector]`."""
    tokens = embeddings.layer(name, spec.inputs[name], params.embedding)(ids)
    if params.embedding_dropout:
        drop = keras.layers.SpatialDropout1D(params.embedding_dropout, name=f"{name}_dropout")
        tokens = drop(tokens)  # (B, T, embedding)
    mask = ops.not_equal(ids, texts.PADDING)
    return params.encoder(tokens, mask, name, spec.texts[name].length)


def _dropped(vector: keras.KerasTensor, params: Params, name: str) -> keras.KerasTensor:
    return keras.layers.Dropout(params.dropout, name=name)(vector) if params.dropout else vector
