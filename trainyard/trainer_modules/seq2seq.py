"""Translation: an LSTM encoder, an LSTM decoder, and attention of the second to the first.

Source: Sutskever, Vinyals and Le, Sequence to Sequence Learning with Neural Networks, 2014
(https://arxiv.org/abs/1409.3215); Bahdanau, Cho and Bengio, 2015
(https://arxiv.org/abs/1409.0473), for the encoder that reads both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import keras
import tensorflow as tf
from keras import ops
from pydantic import Field

from trainyard.errors import RecipeError
from trainyard.trainer_modules.harness import heads, names, preprocessing, texts
from trainyard.trainer_modules.harness import inputs as batches
from trainyard.trainer_modules.harness import metrics as known_metrics
from trainyard.trainer_modules.harness.generation import State
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.trainer_modules.layers.attention import Attentive
from trainyard.trainer_modules.layers.recurrent import Shifted

Units = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    Attributes:
        attention: How the decoder looks at the encoder's outputs, if it does.
        units: Of each direction of the encoder; the decoder has twice as many.
        embedding_dimension: Length of each token's vector.
        dropout: Share of the vectors, and of the last layer's inputs, that training drops.
    """

    attention: Literal["none", "dot", "additive"] = "dot"
    units: Units = 128
    embedding_dimension: Units = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3


INPUTS: Literal["table", "image", "text"] = "text"
TINY = Params(units=8, embedding_dimension=8, dropout=0.0)

preprocess = preprocessing.preprocess
metrics = known_metrics.standard


def make_dataset(
    params: Params, spec: ModelSpec, examples: batches.Examples, epochs: range | None
) -> tf.data.Dataset:
    """Makes batches in which the decoder is told the label too: teacher forcing."""
    made = batches.make_dataset(params, spec, examples, epochs)
    return made.map(lambda inputs, label: (inputs | {names.LABEL: label}, label))


def build_model(params: Params, spec: ModelSpec) -> keras.Model:
    """Builds the compiled model: after each token of the label, logits of the next.

    Args:
        params: Hyperparameters.
        spec: One input, ids `[B, S]`; ids of the label, `[B, T]`, are the model's second.

    Raises:
        RecipeError: The inputs are not one text.
    """
    if [bool(entry.text) for entry in spec.inputs.values()] != [True]:
        raise RecipeError(
            f"seq2seq writes one text from another, not from {', '.join(spec.inputs)}",
            where="features",
            expected="one feature of kind `text` besides the label, all others `ignored`",
        )
    inputs = spec.keras_inputs()
    ((name, source),) = inputs.items()
    label = keras.Input((None,), dtype="int64", name=names.LABEL)
    vectors = _embedding("source", spec.inputs[name].vocabulary_size, params)(source)
    values, *ends = _encoder(params)(_dropped(vectors, params))
    written = _embedding("target", spec.label.vocabulary_size, params)(Shifted()(label))
    decoder = keras.layers.LSTM(
        2 * params.units, return_sequences=True, return_state=True, name="decoder"
    )
    outputs, *_ = decoder(_dropped(written, params), initial_state=_joined(ends))
    if params.attention != "none":
        attentive = Attentive(params.attention, 2 * params.units, name="attention")
        outputs, _ = attentive(outputs, values, ops.not_equal(source, texts.PADDING))
    return heads.compiled(inputs | {names.LABEL: label}, _dropped(outputs, params), spec)


def _embedding(name: str, size: int | None, params: Params) -> keras.layers.Embedding:
    masked = name == "source"  # what follows a label's end counts in no loss
    return keras.layers.Embedding(
        size, params.embedding_dimension, mask_zero=masked, name=f"{name}_embedding"
    )


def _encoder(params: Params) -> keras.layers.Bidirectional:
    one_way = keras.layers.LSTM(params.units, return_sequences=True, return_state=True)
    return keras.layers.Bidirectional(one_way, name="encoder")


def _joined(ends: list[Any]) -> list[Any]:
    """Both directions' last outputs, and both's last cells, `[B, 2 * units]`."""
    forward, forward_cell, backward, backward_cell = ends
    join = keras.layers.Concatenate()
    return [join([forward, backward]), join([forward_cell, backward_cell])]


def _dropped(vectors: keras.KerasTensor, params: Params) -> keras.KerasTensor:
    return keras.layers.Dropout(params.dropout)(vectors) if params.dropout else vectors


class Decoder:
    """Reads the source, then one token of the target at a time.

    Args:
        model: As `build_model` makes it.
    """

    def __init__(self, model: keras.Model) -> None:
        self.layers = {layer.name: layer for layer in model.layers}
        self.attention = self.layers.get("attention")
        if self.attention:
            _, shown = self.attention.output
            self.weights = keras.Model(model.input, shown)  # `[B, T, S]`, of source and target

    def begin(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, State]:
        """Reads the source; a start, `[B]`, comes before the first token."""
        (source,) = inputs.values()
        vectors = self.layers["source_embedding"](source)
        present = source != texts.PADDING
        values, *ends = self.layers["encoder"](vectors, mask=present)
        start = tf.fill(tf.shape(source)[:1], tf.constant(texts.START, tf.int64))
        return start, {"values": values, "present": present, "decoder": _joined(ends)}

    def step(self, tokens: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Reads a token more and returns logits `[B, V]`."""
        vector = self.layers["target_embedding"](tokens)
        output, after = self.layers["decoder"].cell(vector, state["decoder"])
        if self.attention:
            outputs, _ = self.attention(output[:, tf.newaxis], state["values"], state["present"])
            output = outputs[:, 0]
        return self.layers["predictions"](output), state | {"decoder": list(after)}
