"""Vision transformer: an image as a sequence of patches.

Source: Dosovitskiy et al., An Image is Worth 16x16 Words, 2021
(https://arxiv.org/abs/2010.11929).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import keras
from keras import ops
from pydantic import ConfigDict, Field

from trainyard.errors import RecipeError
from trainyard.trainer_modules.layers.transformer import check_heads, transformer_block

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Transformer:
    """A vision transformer's size; by default that of ViT-S/16.

    Attributes:
        patch: Height and width of a patch; what is left over at the edges is not seen.
        width: Length of each token.
        depth: Blocks.
        heads: Of attention, in each block; they share the width.
        mlp_ratio: Units of a block's hidden layer, as a multiple of the width.
        dropout: Share of what each block adds that training drops.
        token: What becomes the vector: a `class` token, or the `mean` of the patches.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    patch: Count = 16
    width: Count = 384
    depth: Count = 12
    heads: Count = 6
    mlp_ratio: Count = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    token: Literal["class", "mean"] = "class"

    def __call__(self, image: keras.KerasTensor) -> keras.KerasTensor:
        """Puts the network on an image.

        Args:
            image: `[B, H, W, C]`, 0 to 1.

        Returns:
            `[B, width]`.

        Raises:
            RecipeError: The image is smaller than a patch, or the heads cannot share the width.
        """
        self._check(image.shape[1:])
        images = keras.layers.Rescaling(2.0, -1.0, name="pixels")(image)
        cut = keras.layers.Conv2D(self.width, self.patch, self.patch, name="patches")
        tokens = keras.layers.Reshape((-1, self.width), name="sequence")(cut(images))
        tokens = Positions(self.token == "class", name="positions")(tokens)  # (B, N, width)
        tokens = keras.layers.Dropout(self.dropout, name="positions_dropout")(tokens)
        for number in range(1, self.depth + 1):
            tokens = transformer_block(
                tokens,
                f"block_{number}",
                heads=self.heads,
                mlp_ratio=self.mlp_ratio,
                dropout=self.dropout,
            )
        tokens = keras.layers.LayerNormalization(epsilon=1e-6, name="normalization")(tokens)
        if self.token == "class":
            return tokens[:, 0]
        return keras.layers.GlobalAveragePooling1D(name="mean")(tokens)

    def _check(self, shape: Sequence[int]) -> None:
        if min(shape[:2]) < self.patch:
            raise RecipeError(
                "the images are smaller than a patch",
                where="trainer.params.vit.patch",
                expected=f"at most {min(shape[:2])}",
                received=str(self.patch),
                hint="lower `patch`, or raise `size` on the image feature",
            )
        check_heads(self.heads, self.width, where="trainer.params.vit.heads")


@keras.saving.register_keras_serializable(package="trainyard")
class Positions(keras.layers.Layer):  # type: ignore[misc]  # Keras is not typed
    """Tells tokens where they are, after a class token of its own, if wanted.

    Args:
        class_token: Whether to put one before the others.
        **options: Of a Keras layer.

    Call arguments:
        tokens: `[B, N, width]`.

    Returns:
        `[B, N, width]`, or `[B, N + 1, width]`.
    """

    def __init__(self, class_token: bool, **options: Any) -> None:
        super().__init__(**options)
        self.class_token = class_token

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the class token and the positions."""
        _, count, width = input_shape
        normal = keras.initializers.TruncatedNormal(stddev=0.02)
        if self.class_token:
            self.token = self.add_weight(shape=(1, 1, width), initializer="zeros", name="token")
        shape = (1, (count or 0) + self.class_token, width)
        self.positions = self.add_weight(shape=shape, initializer=normal, name="positions")

    def call(self, tokens: Any) -> Any:
        """Returns the tokens with their positions added."""
        if self.class_token:
            first = ops.broadcast_to(self.token, (ops.shape(tokens)[0], 1, tokens.shape[-1]))
            tokens = ops.concatenate([ops.cast(first, tokens.dtype), tokens], axis=1)
        return tokens + ops.cast(self.positions, tokens.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape with the class token, if there is one."""
        batch, count, width = input_shape
        return batch, (count or 0) + self.class_token, width

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "class_token": self.class_token}
