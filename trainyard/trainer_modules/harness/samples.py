"""What augmentation makes of training images, as one picture that people can look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from trainyard.trainer_modules.harness import images, inputs
from trainyard.trainer_modules.harness.spec import ModelSpec

FILE = "augmented.webp"

BATCH = 8  # some to mix with
SHOWN = 4
VERSIONS = 7
SIDE = 96
GAP = 4

_RANDOM = tuple(
    getattr(keras.layers, name)
    for name in dir(keras.layers)
    if name.startswith("Random") or name in ("AugMix", "CutMix", "MixUp", "RandAugment")
)

Pixels = np.ndarray[Any, Any]
Batch = tuple[dict[str, tf.Tensor], Any]


def write(
    model_run: Path,
    module: Any,
    params: Any,
    model: keras.Model,
    spec: ModelSpec,
    examples: inputs.Examples,
) -> None:
    """Draws a few training images beside augmented versions, if there is augmentation.

    That of the hook `augment` and that of Keras layers between the model's input and
    the rest of it are drawn as training applies them, one after the other.

    Args:
        model_run: Where to.
        module: The trainer module.
        params: Its hyperparameters.
        model: The model; its own random numbers are left as they are.
        spec: Its inputs.
        examples: Transformed training examples.
    """
    name = next(iter(spec.images), None)
    if name is None:
        return
    augment = getattr(module, "augment", None)
    hook = augment(params, spec) if augment else None
    layers = _augmenting_layers(model, name)
    if hook is None and layers is None:
        return
    batch = _batch(spec, examples)
    versions = [_augmented(batch, name, hook, layers, number) for number in range(VERSIONS)]
    rows = np.stack([batch[0][name], *versions], axis=1)[:SHOWN]  # (images, versions, H, W, C)
    _sheet(images.levels(rows, spec.images[name])).save(model_run / FILE, quality=85)


def _batch(spec: ModelSpec, examples: inputs.Examples) -> Batch:
    """The first training images in the order of the first epoch."""
    order = examples.batches(BATCH, seed=spec.training.seed, epochs=range(1))
    features, labels, _ = inputs.parts(next(iter(order.take(1))), spec)
    return features, labels


def _augmenting_layers(model: keras.Model, name: str) -> keras.Model | None:
    """What comes between an input and the last random layer behind it, with a state of its own."""
    random = [layer for layer in model.layers if isinstance(layer, _RANDOM)]
    # A model that is a class of its own has no inputs to begin at.
    image = next((entry for entry in getattr(model, "inputs", ()) if entry.name == name), None)
    if not random or image is None:
        return None
    return keras.models.clone_model(keras.Model(image, random[-1].output))


def _augmented(
    batch: Batch,
    name: str,
    hook: Callable[..., Batch] | None,
    layers: keras.Model | None,
    number: int,
) -> Pixels:
    # A hook's chance may come from the batch itself: in another order it is another one.
    turned = {key: tf.roll(tensor, number, 0) for key, tensor in batch[0].items()}
    if hook:
        labels = tf.nest.map_structure(lambda tensor: tf.roll(tensor, number, 0), batch[1])
        turned, _ = hook(turned, labels)
    pixels = turned[name]
    if layers:
        pixels = layers(pixels, training=True)
    back: Pixels = tf.roll(tf.cast(pixels, tf.float32), -number, 0).numpy()
    return back


def _sheet(rows: Pixels) -> Image.Image:
    """Lays images out in rows on nothing, the first of each a little apart."""
    cells = [[_cell(pixels) for pixels in row] for row in rows]
    width, height = cells[0][0].size
    size = (len(cells[0]) * (width + GAP) + GAP, len(cells) * (height + GAP) - GAP)
    sheet = Image.new("RGBA", size, (0, 0, 0, 0))
    for down, row in enumerate(cells):
        for across, cell in enumerate(row):
            left = across * (width + GAP) + (2 * GAP if across else 0)
            sheet.paste(cell, (left, down * (height + GAP)))
    return sheet


def _cell(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).convert("RGB")
    if max(image.size) < SIDE:
        times = SIDE // max(image.size)
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image
