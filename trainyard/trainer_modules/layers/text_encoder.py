"""From a text's tokens to one vector: recurrent, convolutional, attending, or their average.

Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; Cho et al., 2014
(https://arxiv.org/abs/1406.1078); Kim, Convolutional Neural Networks for Sentence
Classification, 2014 (https://arxiv.org/abs/1408.5882); Vaswani et al., 2017
(https://arxiv.org/abs/1706.03762); Joulin et al., Bag of Tricks, 2016
(https://arxiv.org/abs/1607.01759).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import keras
from keras import ops
from pydantic import ConfigDict, Field

from trainyard.errors import RecipeError
from trainyard.trainer_modules.layers.pooling import MaskedAverage, MaskedMaximum
from trainyard.trainer_modules.layers.transformer import (
    TextPositions,
    check_heads,
    transformer_block,
)

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]

RECURRENT = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
}
POOLING = {"average": MaskedAverage, "maximum": MaskedMaximum}
USUAL = dict.fromkeys(RECURRENT, "last") | {"convolution": "maximum"}


@dataclass(frozen=True)
class TextEncoder:
    """An encoder's kind and size; padding changes nothing of what it gives.

    Attributes:
        kind: What reads the tokens; `average` does not know their order.
        units: Of a recurrent layer in each direction, or filters of each kernel.
        depth: Layers on each other; `average` has none.
        bidirectional: Recurrent: whether another layer reads backwards.
        kernels: Convolution: neighbouring tokens that its filters look at.
        heads: Transformer: of attention, in each block; they share the token's width.
        dropout: Transformer: share of what each block adds that training drops.
        pooling: What becomes of the sequence: its `last` state (recurrent), its `average`, its
            `maximum`; `auto`: last for recurrent layers, maximum for convolution, else average.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: Literal["convolution", "lstm", "gru", "simple_rnn", "transformer", "average"] = (
        "convolution"
    )
    units: Count = 100
    depth: Count = 1
    bidirectional: bool = True
    kernels: Annotated[tuple[Count, ...], Field(min_length=1)] = (3, 4, 5)
    heads: Count = 4
    dropout: Rate = 0.1
    pooling: Literal["auto", "last", "average", "maximum"] = "auto"

    def warnings(self, where: str) -> Iterator[str]:
        """Yields what is allowed, but worth a look.

        Args:
            where: The parameter that holds the encoder.
        """
        if self.kind == "simple_rnn":
            yield (
                f"{where}: a simple_rnn keeps little of what stands some ten tokens back, for its "
                "gradients vanish or explode; gru takes the same parameters"
            )

    def __call__(
        self, tokens: keras.KerasTensor, mask: keras.KerasTensor, name: str, longest: int
    ) -> keras.KerasTensor:
        """Puts the encoder on tokens.

        Args:
            tokens: `[B, T, width]`, as a layer with a mask gave them.
            mask: Boolean `[B, T]`, false where they are padding, which stands at the end.
            name: What the layers' names begin with.
            longest: Tokens of the longest text.

        Returns:
            `[B, vector]`.

        Raises:
            RecipeError: The parameters do not go together.
        """
        pooling = self._pooling()
        if self.kind in RECURRENT:
            tokens = self._recurrent(tokens, name, whole=pooling != "last")
        elif self.kind == "convolution":
            tokens = self._convolved(tokens, mask, name)
        elif self.kind == "transformer":
            tokens = self._transformed(tokens, name, longest)
        pool = POOLING.get(pooling)
        return pool(name=f"{name}_{pooling}")(tokens, mask=mask) if pool else tokens

    def _pooling(self) -> str:
        if self.pooling == "auto":
            return USUAL.get(self.kind, "average")
        if self.pooling == "last" and self.kind not in RECURRENT:
            raise RecipeError(
                f"an encoder of the kind {self.kind} has no last state",
                where="trainer.params.encoder.pooling",
                expected="average, maximum or auto",
                received="last",
            )
        return self.pooling

    def _recurrent(self, tokens: keras.KerasTensor, name: str, whole: bool) -> keras.KerasTensor:
        """Returns all states `[B, T, units]`, or the last ones `[B, units]`; twice if both ways."""
        for number in range(1, self.depth + 1):
            place = f"{name}_{self.kind}_{number}"
            states = whole or number < self.depth
            layer = RECURRENT[self.kind](self.units, return_sequences=states, name=place)
            if self.bidirectional:
                layer = keras.layers.Bidirectional(layer, name=f"{place}_both_ways")
            tokens = layer(tokens)
        return tokens

    def _convolved(
        self, tokens: keras.KerasTensor, mask: keras.KerasTensor, name: str
    ) -> keras.KerasTensor:
        """Returns `[B, T, kernels * units]`; beyond the end of a text all layers see zeros."""
        seen = ops.cast(mask, tokens.dtype)[..., None]  # (B, T, 1)
        maps = []
        for size in self.kernels:
            values = tokens * seen
            for number in range(1, self.depth + 1):
                layer = keras.layers.Conv1D(
                    self.units,
                    size,
                    padding="same",
                    activation="relu",
                    name=f"{name}_convolution_{size}_{number}",
                )
                values = layer(values) * seen
            maps.append(values)
        return ops.concatenate(maps, axis=-1) if len(maps) > 1 else maps[0]

    def _transformed(self, tokens: keras.KerasTensor, name: str, longest: int) -> keras.KerasTensor:
        """Returns `[B, T, width]`."""
        check_heads(self.heads, tokens.shape[-1], where="trainer.params.encoder.heads")
        tokens = TextPositions(longest, name=f"{name}_positions")(tokens)
        for number in range(1, self.depth + 1):
            place = f"{name}_block_{number}"
            tokens = transformer_block(
                tokens, place, heads=self.heads, mlp_ratio=4, dropout=self.dropout
            )
        return keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_normalization")(tokens)
