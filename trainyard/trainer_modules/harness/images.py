"""Encoded images to pixels: the one way, in training, in evaluation and in what is served.

JPEG is decoded as Pillow does it, to the last bit: TensorFlow's own default is up to eight
levels off, which no client could reproduce, and saves less than a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from trainyard.recipe_schema import ImageFeature

Pixels = np.ndarray[Any, Any]

RATIOS = (1, 2, 4, 8)
"""By which a JPEG can be shrunk while it is decoded."""

REDUCING_GAP = 2.0
"""How many times larger than needed such an image still is, so that nothing is seen of it:
as `reducing_gap` of Pillow. A photo of twelve megapixels takes a third of the time."""

MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM")
"""How files begin that TensorFlow decodes: JPEG, PNG, GIF, BMP."""

ENDS = {"0-1": (0.0, 1.0), "-1-1": (-1.0, 1.0), "0-255": (0.0, 255.0)}
"""Black and white by `ImageFeature.scale`."""


def decoded(
    tensors: Mapping[str, tf.Tensor], images: Mapping[str, ImageFeature]
) -> dict[str, tf.Tensor]:
    """Makes of the images among transformed features what the model is given.

    Args:
        tensors: By name; images are encoded, string `[B, 1]`, or what `pixels` made of them.
        images: How to decode them, by name.

    Returns:
        All tensors, images as float32 `[B, H, W, C]`.
    """
    made = {name: decode(tensors[name], entry, name) for name, entry in images.items()}
    return {**tensors, **made}


def decode(image: tf.Tensor, feature: ImageFeature, name: str = "image") -> tf.Tensor:
    """Decodes, resizes and scales a batch of images.

    Args:
        image: As `pixels` takes them, or as it returns them.
        feature: Size, channels, resizing and scale.
        name: For the error.

    Returns:
        float32 `[B, H, W, C]`.

    Raises:
        InvalidArgumentError: A row is no image, where the graph runs.
    """
    black, white = ENDS[feature.scale]
    whole = pixels(image, feature, name) if image.dtype == tf.string else image
    return tf.cast(whole, tf.float32) * ((white - black) / 255) + black


def pixels(encoded: tf.Tensor, feature: ImageFeature, name: str = "image") -> tf.Tensor:
    """Decodes and resizes a batch of images, to the whole levels that image files have.

    Args:
        encoded: JPEG, PNG, GIF (its first picture) or BMP files, string `[B]` or `[B, 1]`.
        feature: Size, channels and resizing.
        name: For the error.

    Returns:
        uint8 `[B, H, W, C]`: a quarter of what floats take, to be held in memory.

    Raises:
        InvalidArgumentError: A row is no image, where the graph runs.
    """
    flat = tf.reshape(encoded, [-1])
    with tf.control_dependencies([_check_known(flat, name)]):
        flat = tf.identity(flat)
    shape = tf.TensorSpec(feature.shape, tf.uint8)
    return tf.map_fn(partial(_one, feature=feature), flat, fn_output_signature=shape)


def levels(pixels: Pixels, feature: ImageFeature) -> Pixels:
    """Turns what the model is given into what people look at.

    Args:
        pixels: `[..., C]`, as `decode` scaled them.
        feature: The scale.

    Returns:
        uint8 of the same shape, 0 black and 255 white.
    """
    black, white = ENDS[feature.scale]
    shares = np.clip((pixels - black) / (white - black), 0, 1)
    found: Pixels = np.round(255 * shares).astype(np.uint8)
    return found


def _check_known(encoded: tf.Tensor, name: str) -> tf.Operation:
    begins = [tf.equal(tf.strings.substr(encoded, 0, len(magic)), magic) for magic in MAGIC]
    known = tf.reduce_any(begins, axis=0)
    first = tf.where(tf.logical_not(known))[:1]
    told = [f"{name!r} is no JPEG, PNG, GIF or BMP file in row (counted from 0)", first]
    return tf.debugging.Assert(tf.reduce_all(known), told)


def _one(encoded: tf.Tensor, feature: ImageFeature) -> tf.Tensor:
    """Returns uint8 `[H, W, C]`."""
    whole = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _jpeg(encoded, feature),
        lambda: _other(encoded, feature.channels),
    )
    return tf.saturate_cast(tf.round(_fitted(whole, feature)), tf.uint8)


def _jpeg(encoded: tf.Tensor, feature: ImageFeature) -> tf.Tensor:
    shape = tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.float32)
    needed = _scale(shape, feature) * REDUCING_GAP
    enough = tf.cast([ratio * needed <= 1 for ratio in RATIOS[1:]], tf.int32)
    ways = [partial(_jpeg_by, encoded, feature.channels, ratio) for ratio in RATIOS]
    return tf.switch_case(tf.reduce_sum(enough), ways)


def _jpeg_by(encoded: tf.Tensor, channels: int, ratio: int) -> tf.Tensor:
    return tf.io.decode_jpeg(encoded, channels, ratio, dct_method="INTEGER_ACCURATE")


def _other(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    pixels = tf.io.decode_image(encoded, channels, expand_animations=False)
    return tf.ensure_shape(pixels, [None, None, channels])


def _scale(shape: tf.Tensor, feature: ImageFeature) -> tf.Tensor:
    """By how much an image is made larger, on the axis that the other one follows."""
    scales = tf.constant(feature.size, tf.float32) / shape
    return tf.reduce_min(scales) if feature.resize == "pad" else tf.reduce_max(scales)


def _fitted(pixels: tf.Tensor, feature: ImageFeature) -> tf.Tensor:
    """Returns float32 `[H, W, C]`, 0 to 255."""
    if feature.resize == "stretch":
        return tf.ensure_shape(_resized(pixels, tf.constant(feature.size)), feature.shape)
    shape = tf.cast(tf.shape(pixels)[:2], tf.float32)
    size = tf.cast(tf.round(shape * _scale(shape, feature)), tf.int32)
    return tf.image.resize_with_crop_or_pad(_resized(pixels, tf.maximum(size, 1)), *feature.size)


def _resized(pixels: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    smaller = tf.reduce_any(tf.shape(pixels)[:2] > size)
    # Where nothing is lost there is nothing to smooth: the same numbers in half of the time.
    return tf.cond(
        smaller,
        lambda: tf.image.resize(pixels, size, antialias=True),
        lambda: tf.image.resize(pixels, size),
    )
