"""Blocks of a Transformer that looks both ways, normalized before and not after each part.

Source: Vaswani et al., Attention Is All You Need, 2017 (https://arxiv.org/abs/1706.03762);
Xiong et al., On Layer Normalization in the Transformer Architecture, 2020
(https://arxiv.org/abs/2002.04745).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from trainyard.errors import RecipeError


def check_heads(heads: int, width: int, where: str) -> None:
    """Checks that heads of attention can share a width.

    Args:
        heads: How many.
        width: Length of each token.
        where: The parameter, for the error.

    Raises:
        RecipeError: They cannot.
    """
    if width % heads:
        raise RecipeError(
            "the heads cannot share the width evenly",
            where=where,
            expected=f"a divisor of the width, {width}",
            received=str(heads),
        )


def transformer_block(
    tokens: keras.KerasTensor, name: str, *, heads: int, mlp_ratio: int, dropout: float
) -> keras.KerasTensor:
    """Lets tokens look at each other, then thinks about each; what is masked is not looked at.

    Args:
        tokens: `[B, N, width]`.
        name: What the layers' names begin with.
        heads: Of attention; they share the width.
        mlp_ratio: Units of the hidden layer, as a multiple of the width.
        dropout: Share of what is added that training drops.

    Returns:
        `[B, N, width]`.
    """
    layers, width = keras.layers, tokens.shape[-1]
    attention = layers.MultiHeadAttention(
        heads, width // heads, dropout=dropout, name=f"{name}_attention"
    )
    seen = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_normalization_1")(tokens)
    dropped = layers.Dropout(dropout, name=f"{name}_attention_dropout")
    # A layer adds, for it hands the mask on.
    tokens = layers.Add(name=f"{name}_attended")([tokens, dropped(attention(seen, seen))])
    hidden = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_normalization_2")(tokens)
    wide = layers.Dense(mlp_ratio * width, "gelu", name=f"{name}_hidden")(hidden)
    narrow = layers.Dense(width, name=f"{name}_output")(wide)
    narrow = layers.Dropout(dropout, name=f"{name}_dropout")(narrow)
    return layers.Add(name=name)([tokens, narrow])


@keras.saving.register_keras_serializable(package="trainyard")
class TextPositions(keras.layers.Layer):  # type: ignore[misc]  # Keras is not typed
    """Tells tokens where in a text they are; texts may have any length up to the longest.

    Args:
        longest: Tokens of the longest text.
        **options: Of a Keras layer.

    Call arguments:
        tokens: `[B, T, width]`.

    Returns:
        `[B, T, width]`.
    """

    def __init__(self, longest: int, **options: Any) -> None:
        super().__init__(**options)
        self.longest = longest
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes a vector for each place."""
        normal = keras.initializers.TruncatedNormal(stddev=0.02)
        shape = (self.longest, input_shape[-1])
        self.positions = self.add_weight(shape=shape, initializer=normal, name="positions")

    def call(self, tokens: Any) -> Any:
        """Returns the tokens with their positions added."""
        return tokens + ops.cast(self.positions[: ops.shape(tokens)[1]], tokens.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the tokens."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "longest": self.longest}
