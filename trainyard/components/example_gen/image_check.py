"""One image: is it whole, will TensorFlow decode it as others see it, and what is it like?

TensorFlow decodes JPEG and PNG, knows nothing of a camera's rotation, and takes
transparent pixels for the colour that they hide. What it would decode in
another way than an image viewer does is encoded again; all else stays as it is,
byte for byte.
"""

from __future__ import annotations

import io
import re
import struct
import threading
import zlib
from typing import Any, NamedTuple

from trainyard.recipe_schema import Images
from trainyard.wording import agreeing, counted

# Not EPS, which is a program, nor what cannot be told from other bytes. MPO is JPEG to Pillow.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO")
_LOSSY = {"JPEG", "MPO", "WEBP", "AVIF", "JPEG2000"}
_ORIENTATION = 0x0112  # the tag of EXIF that says how the camera was held; 1 is upright
_PNG_SIGNATURE, _PNG_FRAME = 8, 12
_START_OF_JPEG, _END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_ONE_COLOUR = {"1", "L", "LA", "La"}
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_BRIGHTEST_OF_16_BITS = 65535
_SETTING_UP = threading.Lock()


class ImageRefusedError(Exception):
    """An image that cannot be used.

    Args:
        reason: What is wrong, in the same words for all images of a kind.
        detail: What is wrong with this one.
        hint: What to do.
    """

    def __init__(self, reason: str, detail: str, hint: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.hint = reason, detail, hint


class Prepared(NamedTuple):
    """An image as it goes into the examples.

    Attributes:
        encoded: JPEG or PNG, 8 bits, grey or RGB, upright.
        width: In pixels.
        height: In pixels.
        channels: 1 or 3.
        brightness: The mean luma, 0 to 1.
        contrast: The standard deviation of the luma.
        change: Why it was encoded again; empty if it is as it was.
    """

    encoded: bytes
    width: int
    height: int
    channels: int
    brightness: float
    contrast: float
    change: str


def prepare(encoded: bytes, settings: Images) -> Prepared:
    """Checks an image and makes it readable for TensorFlow.

    Args:
        encoded: What is in the image's file.
        settings: How large it may be.

    Raises:
        ImageRefusedError: It is no image, not whole, or too large.
    """
    image = _opened(encoded, settings)
    change = _difference(image, encoded)
    if not change:
        return _measured(image, encoded, "")
    form = "JPEG" if image.format in _LOSSY else "PNG"
    plain = _plain(image)
    return _measured(plain, _encode(plain, form), change)


def from_pixels(pixels: Any) -> Prepared:
    """Encodes pixels as PNG.

    Args:
        pixels: A uint8 array of shape `(height, width, channels)`, 1 or 3 channels.
    """
    from PIL import Image

    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return _measured(image, _encode(image, "PNG"), "")


def _opened(encoded: bytes, settings: Images) -> Any:
    """Reads the header, looks at the size, and only then unpacks the first picture."""
    from PIL import Image, UnidentifiedImageError

    if not encoded:
        raise ImageRefusedError("the image is empty", "0 bytes", "copy it again, or remove it")
    _set_up_pillow()
    readable = [name for name in _FORMATS if name in Image.OPEN]
    try:
        image = Image.open(io.BytesIO(encoded), formats=readable)
        _check_size(image, settings)
        image.load()
    except UnidentifiedImageError:
        raise ImageRefusedError(
            "this is not an image that can be read",
            f"{counted(len(encoded), 'byte')} that {agreeing(len(encoded), 'begins', 'begin')} "
            f"with {encoded[:12]!r}",
            "remove it, or convert it to JPEG or PNG",
        ) from None
    except ImageRefusedError:
        raise
    except Exception as error:  # decoders raise whatever comes of damaged bytes
        raise _damaged(str(error)) from None
    return image


def _set_up_pillow() -> None:
    from PIL import Image

    with _SETTING_UP:  # Pillow finds its formats at the first call, which is not safe in threads
        Image.init()
    # Pillow's own limit is one for the process, and warns on the console; ours is the recipe's.
    Image.MAX_IMAGE_PIXELS = None


def _check_size(image: Any, settings: Images) -> None:
    width, height = image.size
    if width * height > settings.max_pixels:
        raise ImageRefusedError(
            "the image is too large",
            f"{width:,} by {counted(height, 'pixel')}; `data.images.max_pixels` is "
            f"{settings.max_pixels:,}",
            "make it smaller, or raise `data.images.max_pixels` if you trust it",
        )


def _difference(image: Any, encoded: bytes) -> str:
    """Says what TensorFlow would not decode as an image viewer does; empty if nothing."""
    if image.getexif().get(_ORIENTATION, 1) != 1:
        return "rotated by EXIF"
    if getattr(image, "n_frames", 1) > 1:
        return "first of several frames"
    if image.format not in ("JPEG", "PNG"):
        return str(image.format)
    if _is_transparent(image):
        return "transparent"
    if image.mode not in ("L", "RGB", "LA", "RGBA"):
        return {"P": "palette", "1": "1 bit"}.get(str(image.mode), str(image.mode))
    # Pillow overlooks it, TensorFlow may not.
    ends = _ends_as_jpeg(encoded) if image.format == "JPEG" else _ends_as_png(encoded)
    return "" if ends else f"{image.format} without an end"


def _ends_as_jpeg(encoded: bytes) -> bool:
    """Whether going from marker to marker leads to the last one.

    Source: ITU-T T.81, B.1.1: a marker is 0xFF and a byte; a length follows it; in
    compressed data, a zero or a restart follows 0xFF.
    """
    at = 0
    while marker := _JPEG_MARKER.search(encoded, at):
        at = marker.end()
        if marker[0] == _END_OF_JPEG:
            return True
        if marker[0] != _START_OF_JPEG:
            at += int.from_bytes(encoded[at : at + 2])
    return False


def _ends_as_png(encoded: bytes) -> bool:
    """Whether there is the last chunk; those before it have to be as they were written.

    Source: https://www.w3.org/TR/png, "Chunk layout": length, name, content, checksum.
    """
    at, data = _PNG_SIGNATURE, memoryview(encoded)
    while at + _PNG_FRAME <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + _PNG_FRAME + length
        if end > len(data):
            return False
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if name[:1].isupper() and zlib.crc32(data[at + 4 : end - 4]) != checksum:
            raise _damaged(f"the checksum of {name.decode()} is wrong")
        if name == b"IEND":
            return True
        at = end
    return False


def _damaged(detail: str) -> ImageRefusedError:
    return ImageRefusedError(
        "the image is damaged or not whole", detail, "copy it again, or remove it"
    )


def _is_transparent(image: Any) -> bool:
    if not image.has_transparency_data:
        return False
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return bool(lowest < 255)


def _plain(image: Any) -> Any:
    """Makes an image upright, opaque, and grey or RGB of 8 bits."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in _DEEP:
        image = _of_8_bits(image)
    if image.mode == "F":
        raise ImageRefusedError(
            "the image holds fractional numbers, whose black and white nobody tells",
            "mode F",
            "convert it to 8 bits",
        )
    mode = "L" if image.mode in _ONE_COLOUR else "RGB"
    if _is_transparent(image):
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert(mode)


def _of_8_bits(image: Any) -> Any:
    import numpy as np
    from PIL import Image

    values = np.asarray(image).astype(np.int64)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > _BRIGHTEST_OF_16_BITS:
        raise ImageRefusedError(
            "the image holds numbers beyond 16 bits", f"{low} to {high}", "convert it to 8 bits"
        )
    return Image.fromarray((values >> 8).astype(np.uint8))


def _encode(image: Any, form: str) -> bytes:
    stream = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if form == "JPEG" else {"compress_level": 1}
    image.info = {}  # no profile, no tags: nothing that a decoder could understand in its own way
    image.save(stream, form, **options)
    return stream.getvalue()


def _measured(image: Any, encoded: bytes, change: str) -> Prepared:
    from PIL import ImageStat

    luma = ImageStat.Stat(image.convert("L"))
    return Prepared(
        encoded,
        image.width,
        image.height,
        1 if image.mode in _ONE_COLOUR else 3,
        luma.mean[0] / 255,
        luma.stddev[0] / 255,
        change,
    )
