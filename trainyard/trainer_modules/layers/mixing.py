"""Strong augmentation of image batches in the input pipeline: RandAugment, MixUp, CutMix.

The changes are Keras's layers. Their random numbers come from the batch itself,
so that they depend neither on the number of threads nor on where training was
interrupted: the same batch is always changed in the same way, and each epoch's
order makes other batches.

Source: Cubuk et al., RandAugment, 2019 (https://arxiv.org/abs/1909.13719); Zhang et
al., mixup, 2017 (https://arxiv.org/abs/1710.09412); Yun et al., CutMix, 2019
(https://arxiv.org/abs/1905.04899).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import tensorflow as tf

PIXELS = (0.0, 1.0)


class BatchSeed(keras.random.SeedGenerator):  # type: ignore[misc]  # Keras is not typed
    """A generator without a state of its own, which a parallel input pipeline could not keep.

    Args:
        first: int32 `[2]`; all that it gives follows from this.
    """

    def __init__(self, first: tf.Tensor) -> None:
        self.first = first
        self.drawn = 0

    @classmethod
    def of(cls, images: tf.Tensor, seed: int) -> BatchSeed:
        """Reads the first numbers off a batch.

        Args:
            images: float32 `[B, H, W, C]`.
            seed: The training's.
        """
        bits = tf.reshape(tf.bitcast(images, tf.int32), [-1])
        places = tf.range(1, tf.size(bits) + 1)  # another order, another number
        return cls(tf.stack([tf.reduce_sum(bits * places), tf.constant(seed)]))

    def next(self, ordered: bool = True) -> tf.Tensor:
        """Returns the next seed, int32 `[2]`."""
        del ordered
        self.drawn += 1
        return tf.random.experimental.stateless_fold_in(self.first, self.drawn)

    def uniform(self, shape: tuple[Any, ...] = ()) -> tf.Tensor:
        """Returns numbers from 0 to 1."""
        return tf.random.stateless_uniform(shape, self.next())


def rand_augment(
    images: tf.Tensor, seed: BatchSeed, layers: Sequence[Any], count: int
) -> tf.Tensor:
    """Changes each image by operations drawn for it.

    Not `keras.layers.RandAugment`, which carries out all operations to keep one of them,
    draws one for the whole batch, and turns and brightens in one direction only.

    Args:
        images: float32 `[B, H, W, C]`, 0 to 1; C is 1 or 3.
        seed: Decides about everything.
        layers: What `operations` returned.
        count: How many operations an image.

    Returns:
        Of the same shape and range.
    """
    if images.shape[-1] == 1:  # some operations need colours
        return rand_augment(tf.image.grayscale_to_rgb(images), seed, layers, count)[..., :1]
    first = seed.next()

    def changed(given: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image, number = given
        own = BatchSeed(tf.random.experimental.stateless_fold_in(first, number))
        for _ in range(count):
            chosen = tf.cast(own.uniform() * len(layers), tf.int32)
            image = tf.switch_case(chosen, [partial(apply, x, image, own) for x in layers])
        return tf.ensure_shape(image, images.shape[1:])

    spec = tf.TensorSpec(images.shape[1:], tf.float32)
    return tf.map_fn(changed, (images, tf.range(tf.shape(images)[0])), fn_output_signature=spec)


def apply(layer: Any, image: tf.Tensor, seed: BatchSeed) -> tf.Tensor:
    """Changes one image `[H, W, C]` by one layer, with random numbers of the seed."""
    batch = image[tf.newaxis]
    how = layer.get_random_transformation(batch, training=True, seed=seed)
    return tf.clip_by_value(layer.transform_images(batch, how, training=True)[0], *PIXELS)


def operations(magnitude: float) -> list[Any]:
    """Makes the layers that `rand_augment` chooses from.

    Args:
        magnitude: 0 to 1, of the paper's greatest strength.
    """
    layers = keras.layers
    shear, shift, turn = 0.3 * magnitude, 0.45 * magnitude, 30 / 360 * magnitude
    pixels = {"value_range": PIXELS}
    return [
        layers.AutoContrast(**pixels),
        layers.Equalization(**pixels),
        layers.RandomInvert(1.0, **pixels),
        layers.RandomRotation(turn, fill_mode="constant"),
        layers.RandomShear(shear, 0.0, fill_mode="constant"),
        layers.RandomShear(0.0, shear, fill_mode="constant"),
        layers.RandomTranslation(shift, 0.0, fill_mode="constant"),
        layers.RandomTranslation(0.0, shift, fill_mode="constant"),
        layers.RandomPosterization(max(1, round(8 - 4 * magnitude)), **pixels),
        layers.Solarization(0.0, (1 - magnitude, 1.0), **pixels),
        layers.RandomColorDegeneration((0.0, 0.9 * magnitude), **pixels),
        layers.RandomContrast((0.9 * magnitude, 0.9 * magnitude), PIXELS),
        layers.RandomBrightness((-0.5 * magnitude, 0.5 * magnitude), **pixels),
        layers.RandomSharpness((0.0, 0.9 * magnitude), **pixels),
    ]


def flipped(images: tf.Tensor, seed: BatchSeed, share: float) -> tf.Tensor:
    """Mirrors some images, left to right.

    Args:
        images: `[B, H, W, C]`.
        seed: Decides which.
        share: Of the images.
    """
    chosen = seed.uniform((tf.shape(images)[0], 1, 1, 1)) < share
    return tf.where(chosen, tf.reverse(images, [2]), images)


def one_of(
    mixers: Sequence[Any], images: tf.Tensor, labels: Any, seed: BatchSeed
) -> tuple[tf.Tensor, Any]:
    """Mixes a batch in one of several ways.

    Args:
        mixers: Layers as `mixed` takes them.
        images: float32 `[B, H, W, C]`.
        labels: float32 `[B, C]`, or numbers `[B, 1]`; of several heads by name.
        seed: Decides about everything.
    """
    chosen = tf.cast(seed.uniform() * len(mixers), tf.int32)
    ways = [partial(mixed, images, labels, seed, layer) for layer in mixers]
    images, labels = tf.switch_case(chosen, ways)
    return images, labels


def mixed(images: tf.Tensor, labels: Any, seed: BatchSeed, layer: Any) -> tuple[tf.Tensor, Any]:
    """Mixes each example with another of its batch.

    Args:
        images: float32 `[B, H, W, C]`.
        labels: float32 `[B, C]`, or numbers `[B, 1]`; of several heads by name.
        seed: Decides about everything.
        layer: `keras.layers.MixUp` or `CutMix`.

    Returns:
        Images and labels of the same shapes.
    """
    how = layer.get_random_transformation({"images": images}, training=True, seed=seed)

    def blended(part: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(layer.transform_labels(part, how, training=True), part.shape)

    mixed_images = layer.transform_images(images, how, training=True)
    return (
        tf.ensure_shape(mixed_images, images.shape),
        tf.nest.map_structure(blended, labels),
    )
