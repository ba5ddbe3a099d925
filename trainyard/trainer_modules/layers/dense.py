"""Dense layers one after the other, as networks for tables stack them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import keras
from pydantic import Field

Units = Annotated[int, Field(ge=1)]
Penalty = Annotated[float, Field(ge=0)]
Activation = Literal[
    "relu", "gelu", "silu", "tanh", "sigmoid", "elu", "selu", "leaky_relu", "mish", "softplus"
]


@dataclass(frozen=True)
class Stack:
    """How hidden layers are made.

    Attributes:
        activation: Of each layer.
        dropout: Share of each layer's outputs that training drops.
        batch_normalization: Whether each layer is normalized before its activation.
        l1: Penalty on the absolute weights.
        l2: Penalty on the squared weights.
    """

    activation: Activation = "relu"
    dropout: float = 0.0
    batch_normalization: bool = False
    l1: float = 0.0
    l2: float = 0.0

    def __call__(
        self, vector: keras.KerasTensor, hidden: Sequence[int], prefix: str = ""
    ) -> keras.KerasTensor:
        """Puts layers on a vector.

        Args:
            vector: `[B, width]`.
            hidden: Units of each layer; without any the vector stays as it is.
            prefix: Begins the layers' names.

        Returns:
            `[B, units of the last one]`.
        """
        for number, units in enumerate(hidden, start=1):
            vector = self._layer(vector, units, prefix, number)  # (B, units)
        return vector

    def _layer(
        self, vector: keras.KerasTensor, units: int, prefix: str, number: int
    ) -> keras.KerasTensor:
        penalty = keras.regularizers.L1L2(self.l1, self.l2) if self.l1 or self.l2 else None
        name = f"{prefix}hidden_{number}"
        vector = keras.layers.Dense(units, kernel_regularizer=penalty, name=name)(vector)
        if self.batch_normalization:
            name = f"{prefix}normalization_{number}"
            vector = keras.layers.BatchNormalization(name=name)(vector)
        name = f"{prefix}activation_{number}"
        vector = keras.layers.Activation(self.activation, name=name)(vector)
        if self.dropout:
            vector = keras.layers.Dropout(self.dropout, name=f"{prefix}dropout_{number}")(vector)
        return vector
