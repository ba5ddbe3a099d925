"""Character language model: stacked LSTM or GRU layers that say which character comes next.

Source: Graves, Generating Sequences With Recurrent Neural Networks, 2013
(https://arxiv.org/abs/1308.0850); Karpathy, The Unreasonable Effectiveness of Recurrent
Neural Networks, 2015 (https://karpathy.github.io/2015/05/21/rnn-effectiveness/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import keras
import tensorflow as tf
from pydantic import Field

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Task
from trainyard.trainer_modules.harness import heads, preprocessing, texts
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.trainer_modules.layers import recurrent
from trainyard.wording import counted

Units = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    Attributes:
        kind: Of the recurrent layers.
        units: Of each of them.
        depth: How many there are, one on the other.
        embedding_dimension: Length of each character's vector.
        dropout: Share of each layer's inputs that training drops.
    """

    kind: recurrent.Kind = "gru"
    units: Units = 256
    depth: Units = 1
    embedding_dimension: Units = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


INPUTS: Literal["table", "image", "text"] = "text"
TINY = Params(units=16, depth=2, embedding_dimension=8)


preprocess = preprocessing.preprocess


def build_model(params: Params, spec: ModelSpec) -> keras.Model:
    """Builds the compiled model: after each character, logits of the next.

    Args:
        params: Hyperparameters.
        spec: One input, ids `[B, T]`; the label has the same ids.
    """
    inputs = spec.keras_inputs()
    _check(spec)
    (ids,) = inputs.values()
    read = recurrent.Shifted()(ids)
    # Vectors of length about 1: from Keras's small ones learning takes long to begin.
    vectors = keras.layers.Embedding(
        spec.label.vocabulary_size,
        params.embedding_dimension,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=0.5),
        name="embedding",
    )(read)
    layers = recurrent.stack(params.kind, params.units, params.depth)
    sequence, _ = recurrent.read(layers, vectors, dropout=params.dropout)
    return heads.compiled(inputs, sequence, spec)


def _check(spec: ModelSpec) -> None:
    """A label that is cut in another way has other ids."""
    texts_read = [entry.text for entry in spec.inputs.values()]
    if texts_read != [spec.label.text]:
        raise RecipeError(
            "char_lm says how a text goes on: its label is a copy of its one input",
            where="features",
            expected="one text, and the label `{name: continuation, expression: THE_TEXT}`, "
            "both with the same settings",
            received=f"{counted(len(texts_read), 'input')}: {', '.join(spec.inputs)}",
        )


class Decoder:
    """Reads the prompt, then one character at a time.

    Args:
        model: As `build_model` makes it.
    """

    def __init__(self, model: keras.Model) -> None:
        self.embedding = model.get_layer("embedding")
        self.layers = [layer for layer in model.layers if isinstance(layer, keras.layers.RNN)]
        self.predictions = model.get_layer("predictions")

    def begin(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, recurrent.States]:
        """Reads all of the prompt but its last character, which is returned, `[B]`."""
        (ids,) = inputs.values()  # (B, T)
        told = tf.pad(ids, [[0, 0], [1, 0]], constant_values=texts.START)
        known = ids != texts.PADDING
        _, states = recurrent.read(self.layers, self.embedding(told[:, :-1]), mask=known)
        last = tf.math.count_nonzero(known, axis=1)
        return tf.gather(told, last, batch_dims=1), states

    def step(
        self, tokens: tf.Tensor, state: recurrent.States
    ) -> tuple[tf.Tensor, recurrent.States]:
        """Reads a character more and returns logits `[B, V]`."""
        vector, state = recurrent.step(self.layers, self.embedding(tokens), state)
        return self.predictions(vector), state


def metrics(params: Params, task: Task) -> tuple[str, ...]:
    """Returns what is measured of the next character; whole texts are not compared."""
    del params, task
    return "bits_per_character", "perplexity"
