"""Single images, as TensorFlow would decode them and as a viewer shows them."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainyard.components.example_gen import image_check
from trainyard.components.example_gen.image_check import ImageRefusedError
from trainyard.recipe_schema import Images

SETTINGS = Images()


def picture(mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> Image.Image:
    """A smooth picture without symmetry, so that lossy formats keep it and turns are seen."""
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 200, width), np.linspace(0, 50, height))
    return Image.fromarray(np.stack([x, y, (x + y) / 2], 2).astype(np.uint8)).convert(mode)


def encoded(image: Image.Image, form: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def decoded(content: bytes, channels: int = 3) -> np.ndarray:
    """What training and serving see."""
    return tf.io.decode_image(content, channels=channels, expand_animations=False).numpy()


@pytest.mark.parametrize(
    ("content", "channels"),
    [
        (encoded(picture(), "JPEG"), 3),
        (encoded(picture(), "JPEG", progressive=True), 3),
        (encoded(picture("L"), "JPEG"), 1),
        (encoded(picture(), "PNG"), 3),
        (encoded(picture("L"), "PNG"), 1),
        (encoded(picture("RGBA"), "PNG"), 3),  # opaque
        (encoded(picture("LA"), "PNG"), 1),
        (encoded(picture(size=(1, 1)), "PNG"), 3),
        (encoded(picture(), "PNG") + b"more", 3),
        (encoded(picture(), "JPEG") + b"more", 3),
        (encoded(picture(), "JPEG", exif=b"Exif\0\0" + b"MM\0*\0\0\0\x08\0\0"), 3),
    ],
)
def test_what_tensorflow_reads_as_others_do_stays_as_it_is(content, channels):
    prepared = image_check.prepare(content, SETTINGS)
    assert (prepared.encoded, prepared.change) == (content, "")
    assert prepared.channels == channels
    shown = Image.open(io.BytesIO(content)).convert("RGB")
    assert (prepared.width, prepared.height) == shown.size
    # TensorFlow's fast JPEG arithmetic differs by a little.
    assert np.abs(decoded(content).astype(int) - np.asarray(shown)).max() <= 8


def rotated(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(), "JPEG", exif=exif, quality=95)


def transparent() -> bytes:
    image = picture("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    return encoded(image, "PNG")


def animated(form: str) -> bytes:
    frames = [Image.new("RGB", (24, 16), "white"), Image.new("RGB", (24, 16), "black")]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:])


def deep(form: str) -> bytes:
    return encoded(Image.fromarray(np.linspace(0, 65535, 384).reshape(16, 24).astype("u2")), form)


def palette_with_a_transparent_colour() -> bytes:
    image = Image.new("P", (24, 16), 1)
    image.putpalette([255, 0, 0, 0, 0, 0])
    return encoded(image, "PNG", transparency=1)


GREY = np.asarray(picture("L").convert("RGB"))
COLOUR = np.asarray(picture())
WHITE = np.full((16, 24, 3), 255)
RAMP = np.repeat((np.linspace(0, 65535, 384).astype("u2") >> 8).reshape(16, 24, 1), 3, 2)


@pytest.mark.parametrize(
    ("content", "change", "expected", "signature"),
    [
        (rotated(3), "rotated by EXIF", COLOUR[::-1, ::-1], b"\xff\xd8"),
        (rotated(6), "rotated by EXIF", np.rot90(COLOUR, -1), b"\xff\xd8"),
        (rotated(5), "rotated by EXIF", COLOUR.transpose(1, 0, 2), b"\xff\xd8"),
        (encoded(picture("CMYK"), "JPEG", quality=95), "CMYK", COLOUR, b"\xff\xd8"),
        (encoded(picture("CMYK"), "TIFF"), "TIFF", COLOUR, b"\x89PNG"),
        (transparent(), "transparent", WHITE, b"\x89PNG"),
        (palette_with_a_transparent_colour(), "transparent", WHITE, b"\x89PNG"),
        (encoded(picture("L").convert("P"), "PNG"), "palette", GREY, b"\x89PNG"),
        (animated("GIF"), "first of several frames", WHITE, b"\x89PNG"),
        (animated("WEBP"), "first of several frames", WHITE, b"\xff\xd8"),
        (animated("PNG"), "first of several frames", WHITE, b"\x89PNG"),
        (animated("TIFF"), "first of several frames", WHITE, b"\x89PNG"),
        (animated("MPO"), "first of several frames", WHITE, b"\xff\xd8"),
        (encoded(picture("L"), "GIF"), "GIF", GREY, b"\x89PNG"),
        (deep("PNG"), "I;16", RAMP, b"\x89PNG"),
        (deep("TIFF"), "TIFF", RAMP, b"\x89PNG"),
        (encoded(Image.new("1", (24, 16), 1), "PNG"), "1 bit", WHITE, b"\x89PNG"),
        (encoded(picture(), "WEBP", quality=95), "WEBP", COLOUR, b"\xff\xd8"),
        (encoded(picture(), "BMP"), "BMP", COLOUR, b"\x89PNG"),
        (encoded(picture(), "TIFF"), "TIFF", COLOUR, b"\x89PNG"),
        (encoded(picture(), "PPM"), "PPM", COLOUR, b"\x89PNG"),
        (encoded(picture(), "JPEG2000"), "JPEG2000", COLOUR, b"\xff\xd8"),
        (encoded(picture(), "PNG")[:-12], "PNG without an end", COLOUR, b"\x89PNG"),
    ],
)
def test_what_it_reads_otherwise_is_encoded_again(content, change, expected, signature):
    prepared = image_check.prepare(content, SETTINGS)
    assert prepared.change == change
    assert prepared.encoded.startswith(signature)
    seen = decoded(prepared.encoded)
    assert seen.shape == expected.shape == (prepared.height, prepared.width, 3)
    assert np.abs(seen.astype(int) - expected).mean() < 4
    assert Image.open(io.BytesIO(prepared.encoded)).mode == (
        "L" if prepared.channels == 1 else "RGB"
    )
    again = image_check.prepare(prepared.encoded, SETTINGS)
    assert again[:4] == prepared[:4]  # what is measured differs by what JPEG loses
    assert not again.change


def with_a_wrong_checksum() -> bytes:
    content = encoded(picture(), "PNG")
    place = content.index(b"IEND") - 8  # the last byte before its length: of the last checksum
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the image is empty"),
        (b"hello, this is a text file", "this is not an image that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "this is not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "this is not an image"),
        (encoded(picture(), "JPEG")[:300], "damaged or not whole"),
        (encoded(picture(), "JPEG")[:-2], "damaged or not whole"),
        (encoded(picture(), "PNG")[:60], "damaged or not whole"),
        (encoded(picture(), "PNG")[:20], "(not an image|damaged)"),
        (encoded(picture(), "GIF")[:40], "(not an image|damaged)"),
        (encoded(picture(), "TIFF")[:50], "(not an image|damaged)"),
        (encoded(picture(), "BMP")[:100], "damaged or not whole"),
        (encoded(picture(), "WEBP")[:80], "(not an image|damaged)"),
        (with_a_wrong_checksum(), "damaged or not whole: the checksum"),
        (encoded(picture().convert("F"), "TIFF"), "fractional numbers"),
        (encoded(picture("I").point(lambda x: x * 1000), "TIFF"), "beyond 16 bits"),
    ],
)
def test_what_cannot_be_used_is_refused(content, reason):
    with pytest.raises(ImageRefusedError, match=reason) as caught:
        image_check.prepare(content, SETTINGS)
    assert caught.value.hint


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is large."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9))


@pytest.mark.parametrize("side", [7_072, 12_000, 300_000])
def test_a_bomb_is_refused_by_its_header(side, monkeypatch, recwarn):
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # it is not unpacked
    with pytest.raises(ImageRefusedError, match=r"too large.*max_pixels"):
        image_check.prepare(bomb(side, side), SETTINGS)
    assert not list(recwarn)


def test_as_large_as_the_recipe_allows():
    content = encoded(Image.new("L", (4000, 3000), 128), "PNG")
    assert image_check.prepare(content, Images(max_pixels=12_000_000)).width == 4000
    with pytest.raises(ImageRefusedError, match="4,000 by 3,000"):
        image_check.prepare(content, Images(max_pixels=11_999_999))


def test_damaged_anywhere_it_is_refused_or_tensorflow_reads_it():
    """What passes must not stop the training hours later."""
    random = np.random.default_rng(1)
    contents = [encoded(picture(size=(48, 32)), form) for form in ("JPEG", "PNG")]
    outcomes = {"refused": 0, "read": 0}
    for turn in range(400):
        content = bytearray(contents[turn % 2])
        if turn % 3:
            content = content[: random.integers(1, len(content))]
        else:
            content[random.integers(2, len(content))] ^= 1 << int(random.integers(8))
        try:
            prepared = image_check.prepare(bytes(content), SETTINGS)
        except ImageRefusedError:
            outcomes["refused"] += 1
            continue
        assert decoded(prepared.encoded).shape == (prepared.height, prepared.width, 3)
        outcomes["read"] += 1
    assert min(outcomes.values()) > 10


def test_measures():
    half = Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 10, 0))
    prepared = image_check.prepare(encoded(half, "PNG"), SETTINGS)
    assert (prepared.width, prepared.height, prepared.channels) == (2, 10, 1)
    assert (prepared.brightness, prepared.contrast) == (0.5, 0.5)


@pytest.mark.parametrize("shape", [(5, 7, 1), (5, 7, 3)])
def test_pixels(shape):
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    prepared = image_check.from_pixels(pixels)
    assert (prepared.height, prepared.width, prepared.channels) == shape
    np.testing.assert_array_equal(decoded(prepared.encoded, shape[2]), pixels)


def test_in_threads():
    content = encoded(picture(), "TIFF")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: image_check.prepare(content, SETTINGS), range(64)))
    assert len(set(found)) == 1
