"""Recurrent layers that read a whole sequence, or one vector more at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from trainyard.trainer_modules.harness.texts import START

Kind = Literal["lstm", "gru"]
States = list[list[Any]]
"""Of each layer, what it carries from one vector to the next, each `[B, units]`."""

_KINDS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


@keras.saving.register_keras_serializable(package="trainyard")
class Shifted(keras.layers.Layer):  # type: ignore[misc]  # Keras is not typed
    """What a network has read when it is to say the next token: a start, and all but the last.

    Input shape: ids `[B, T]`. Output shape: `[B, T]`.
    """

    def call(self, ids: Any) -> Any:
        """Moves ids one place to the right."""
        return ops.concatenate([ops.full_like(ids[:, :1], START), ids[:, :-1]], axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the input's."""
        return input_shape


def stack(kind: Kind, units: int, depth: int, name: str = "recurrent") -> list[keras.layers.RNN]:
    """Makes recurrent layers, one on the other, which give sequences and states.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; Cho et al., Learning
    Phrase Representations using RNN Encoder-Decoder, 2014 (https://arxiv.org/abs/1406.1078).

    Args:
        kind: Of the layers.
        units: Of each layer.
        depth: How many.
        name: Of the layers, before their number.
    """
    return [
        _KINDS[kind](units, return_sequences=True, return_state=True, name=f"{name}_{number}")
        for number in range(1, depth + 1)
    ]


def read(
    layers: Sequence[keras.layers.RNN],
    sequence: Any,
    *,
    mask: Any = None,
    dropout: float = 0.0,
) -> tuple[Any, States]:
    """Reads sequences from their beginning.

    Args:
        layers: As `stack` makes them.
        sequence: `[B, T, width]`.
        mask: What counts of it, boolean `[B, T]`; all if None.
        dropout: Share of each layer's inputs that training drops.

    Returns:
        The last layer's outputs, `[B, T, units]`, and the states after the last vector that counts.
    """
    states = []
    for layer in layers:
        if dropout:
            sequence = keras.layers.Dropout(dropout)(sequence)
        sequence, *state = layer(sequence, mask=mask)
        states.append(state)
    return sequence, states


def step(layers: Sequence[keras.layers.RNN], vector: Any, states: States) -> tuple[Any, States]:
    """Reads one vector more.

    Args:
        layers: As `stack` makes them, after they were built.
        vector: `[B, width]`.
        states: As `read` or `step` left them.

    Returns:
        The last layer's output, `[B, units]`, and the states.
    """
    after = []
    for layer, state in zip(layers, states, strict=True):
        vector, state = layer.cell(vector, state)
        after.append(list(state))
    return vector, after
