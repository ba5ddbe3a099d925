"""Attention of a decoder to what an encoder has read."""

from __future__ import annotations

from typing import Any, Literal

import keras
from keras import ops

Kind = Literal["dot", "additive"]


@keras.saving.register_keras_serializable(package="trainyard")
class Attentive(keras.layers.Layer):  # type: ignore[misc]  # Keras is not typed
    """Joins a decoder's outputs with the mean of an encoder's, weighed by how they fit.

    `dot` scores a pair by its product (Luong, Pham and Manning, 2015,
    https://arxiv.org/abs/1508.04025); `additive` by a small network (Bahdanau, Cho and Bengio,
    2015, https://arxiv.org/abs/1409.0473). A layer `tanh(W [mean; output])`, Luong's, joins them.

    Args:
        kind: How a pair is scored.
        units: Of what goes in and comes out.

    Input: the decoder's outputs `[B, T, units]`, the encoder's `[B, S, units]`, and which of
    those count, boolean `[B, S]`.
    Output: `[B, T, units]`, and the weights, `[B, T, S]`.
    """

    def __init__(self, kind: Kind, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.units = units
        additive = kind == "additive"
        self.attention = (keras.layers.AdditiveAttention if additive else keras.layers.Attention)()
        self.query = keras.layers.Dense(units, use_bias=False) if additive else None
        self.key = keras.layers.Dense(units, use_bias=False) if additive else None
        self.join = keras.layers.Dense(units, "tanh", use_bias=False)

    def build(self, queries_shape: Any, values_shape: Any, present_shape: Any) -> None:
        """Makes the weights."""
        del present_shape
        if self.query and self.key:
            self.query.build(queries_shape)
            self.key.build(values_shape)
        self.attention.build([queries_shape, values_shape])
        self.join.build((*queries_shape[:-1], 2 * self.units))

    def call(self, queries: Any, values: Any, present: Any) -> tuple[Any, Any]:
        """Returns the joined outputs and the weights."""
        asked = [queries, values]
        if self.query and self.key:
            asked = [self.query(queries), values, self.key(values)]
        mean, weights = self.attention(asked, mask=[None, present], return_attention_scores=True)
        return self.join(ops.concatenate([mean, queries], axis=-1)), weights

    def compute_output_shape(
        self, queries_shape: Any, values_shape: Any, present_shape: Any
    ) -> tuple[Any, Any]:
        """Shapes of the joined outputs and of the weights."""
        del present_shape
        return queries_shape, (*queries_shape[:-1], values_shape[1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "kind": self.kind, "units": self.units}
