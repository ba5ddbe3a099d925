"""Random changes of images while training, as Keras layers inside the model.

Source: Shorten and Khoshgoftaar, A Survey on Image Data Augmentation for Deep
Learning, 2019 (https://doi.org/10.1186/s40537-019-0197-0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, Literal

import keras
from pydantic import ConfigDict, Field

Share = Annotated[float, Field(ge=0, lt=1)]

# Keras's own "horizontal_and_vertical" throws one coin for both.
_FLIPS: dict[str, tuple[str, ...]] = {
    "none": (),
    "horizontal": ("horizontal",),
    "vertical": ("vertical",),
    "both": ("horizontal", "vertical"),
}
_UNCLIPPED = (-1e6, 1e6)


@dataclass(frozen=True)
class Augmentation:
    """How far training images are changed, each by chance; by default not at all.

    Rotation, translation and zoom have no XLA kernel: with one of them in the
    model, `jit_compile="auto"` means no.

    Attributes:
        flip: Mirrors left to right, upside down, or both, each for half of the images.
        rotation: At most this share of a full turn, either way.
        translation: At most this share of the height and of the width, either way.
        zoom: At most this share smaller or larger.
        contrast: At most this share less or more.
        fill: What is beyond an image's edge: its mirror image, zeros, or its last pixels.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    rotation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    translation: Share = 0.0
    zoom: Share = 0.0
    contrast: Share = 0.0
    fill: Literal["reflect", "constant", "nearest"] = "reflect"

    def __call__(self, images: keras.KerasTensor, seed: int) -> keras.KerasTensor:
        """Changes images in training, and lets them pass in inference.

        Args:
            images: `[B, H, W, C]`, of any scale.
            seed: Decides about the changes.

        Returns:
            float32 `[B, H, W, C]`, or the images themselves if nothing changes them.
        """
        # One seed for all would turn, shift and zoom an image by the same number. Coordinates
        # in float16 would be off by pixels, so these layers stay out of mixed precision.
        for number, (name, change) in enumerate(self._changes().items()):
            images = change(seed=seed + number, dtype="float32", name=name)(images)
        return images

    def _changes(self) -> dict[str, Callable[..., keras.layers.Layer]]:
        layers, shift = keras.layers, (self.translation, self.translation)
        flips = {f"flip_{way}": partial(layers.RandomFlip, way) for way in _FLIPS[self.flip]}
        changes = {
            "rotation": partial(layers.RandomRotation, self.rotation, fill_mode=self.fill),
            "translation": partial(layers.RandomTranslation, *shift, fill_mode=self.fill),
            "zoom": partial(layers.RandomZoom, self.zoom, fill_mode=self.fill),
            # A single number would only ever raise the contrast.
            "contrast": partial(layers.RandomContrast, (self.contrast,) * 2, _UNCLIPPED),
        }
        return flips | {name: change for name, change in changes.items() if getattr(self, name)}
