"""Encoded images to pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.trainer_modules.images import encoded
from trainyard.recipe_schema import ImageFeature
from trainyard.trainer_modules.harness import images

RANDOM = np.random.default_rng(0)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """Colours that change slowly, as in a photo."""
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    colours = np.stack([down, across, (down + across) / 2], axis=-1)
    return (255 * colours).astype(np.uint8)


def decode(files: list[bytes], **options) -> np.ndarray:
    feature = ImageFeature(**{"size": (8, 8), "scale": "0-255"} | options)
    data = tf.data.Dataset.from_tensor_slices(files).batch(len(files))
    (batch,) = data.map(lambda batch: images.decode(batch, feature))
    assert batch.shape == (len(files), *feature.shape)
    return batch.numpy()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF"])
def test_an_image_of_the_size_is_what_pillow_sees_to_the_last_bit(form):
    file = encoded(noise(24, 40), form)
    seen = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    np.testing.assert_array_equal(decode([file], size=(24, 40))[0], seen)


def test_grey_as_colours_and_colours_as_grey():
    grey, coloured = encoded(noise(8, 8, 1)), encoded(noise(8, 8))
    as_colours = decode([grey])[0]
    np.testing.assert_array_equal(as_colours[..., 0], as_colours[..., 2])
    assert decode([grey, coloured], channels=1).shape == (2, 8, 8, 1)


@pytest.mark.parametrize(("scale", "slope", "offset"), [("0-1", 1 / 255, 0), ("-1-1", 2 / 255, -1)])
def test_scales(scale, slope, offset):
    file = encoded(noise(8, 8))
    scaled, plain = decode([file], scale=scale), decode([file])
    np.testing.assert_allclose(scaled, plain * slope + offset, atol=1e-6)


def test_stretched_down_is_smoothed_as_pillow_does_it():
    pixels = noise(64, 48)
    expected = Image.fromarray(pixels).resize((8, 16), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(
        decode([encoded(pixels)], size=(16, 8))[0], np.asarray(expected), atol=1
    )


def test_enlarged_is_the_same_smoothed_or_not():
    pixels = noise(10, 12)
    expected = tf.image.resize(pixels, (30, 24), antialias=True)
    got = decode([encoded(pixels)], size=(30, 24))[0]
    np.testing.assert_allclose(got, expected, atol=0.501)
    np.testing.assert_array_equal(got, got.round(), err_msg="the levels that image files have")


@pytest.mark.parametrize("shape", [(40, 80), (80, 40), (3, 6), (6, 3)])
def test_crop_keeps_the_middle_and_pad_keeps_all(shape):
    wide = shape[1] > shape[0]
    pixels = np.zeros((min(shape), max(shape), 3), np.uint8)
    pixels[:, max(shape) // 4 : 3 * max(shape) // 4] = 200  # a square
    file = encoded(pixels if wide else pixels.swapaxes(0, 1))
    cropped, padded = (decode([file], resize=how)[0, ..., 0] for how in ("crop", "pad"))
    cropped, padded = (cropped, padded) if wide else (cropped.T, padded.T)
    assert cropped[:, 2:6].min() > 150, "the bright middle fills the square"
    assert padded[:2].max() == padded[-2:].max() == 0, "black above and below"
    assert padded[3:5, 3:5].min() > 150


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (7, 9), (2000, 30)])
def test_any_shape(shape, resize):
    assert np.isfinite(decode([encoded(noise(*shape))], resize=resize)).all()


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_a_large_photo_is_shrunk_while_it_is_decoded_and_looks_the_same(resize):
    pixels = smooth(900, 1200)
    jpeg, png = (encoded(pixels, form) for form in ("JPEG", "PNG"))
    shrunk, whole = decode([jpeg, png], size=(32, 32), resize=resize)
    np.testing.assert_allclose(shrunk, whole, atol=6)  # a pixel makes eight


@pytest.mark.parametrize("bad", [b"", b"no image", b"\xff\xd8\xff", encoded(noise(30, 30))[:200]])
def test_what_is_no_image_is_an_error_and_not_a_crash(bad):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode([encoded(noise(8, 8)), bad])


def test_the_error_names_column_and_row():
    feature = ImageFeature(size=(8, 8))
    decoding = tf.function(lambda batch: images.decode(batch, feature, "photo"))
    batch = tf.constant([encoded(noise(8, 8)), b"<html>", b"x"])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)photo.* is no JPEG.*\[1\]"):
        decoding(batch)


def test_no_rows():
    feature = ImageFeature(size=(8, 8))
    decoding = tf.function(lambda batch: images.decode(batch, feature))
    assert decoding(tf.constant([], tf.string)).shape == (0, 8, 8, 3)


def test_other_tensors_pass():
    features = {"photo": tf.constant([[encoded(noise(8, 8))]]), "age": tf.constant([[1.0]])}
    outputs = images.decoded(features, {"photo": ImageFeature(size=(4, 4))})
    assert outputs["photo"].shape == (1, 4, 4, 3)
    assert outputs["age"] is features["age"]
