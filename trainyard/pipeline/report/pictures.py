"""Images from the examples as small pictures that lie in the page itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SMALL = 32
"""Up to so many pixels an image is kept as it is, and drawn with its pixels to be seen."""

_KINDS = {".svg": "svg+xml", ".png": "png", ".webp": "webp"}


@dataclass(frozen=True)
class Picture:
    """A picture in the page.

    Attributes:
        source: Its data address.
        described: What it shows, for those who do not see it.
        is_small: Whether it has so few pixels that each one is to be seen.
    """

    source: str
    described: str
    is_small: bool


def thumbnail(encoded: bytes, described: str, side: int) -> Picture:
    """Makes an image small.

    Args:
        encoded: JPEG or PNG, as ExampleGen has checked it.
        described: What it shows.
        side: Pixels that neither its width nor its height is to exceed.
    """
    from PIL import Image

    opened = Image.open(io.BytesIO(encoded))
    opened.draft(opened.mode, (2 * side, 2 * side))  # a JPEG is not unpacked in full for this
    image = opened.convert("L" if opened.mode in ("1", "L", "LA") else "RGB")
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    small = max(image.size) <= SMALL
    image.info = {}
    stream = io.BytesIO()
    if small:
        image.save(stream, "PNG", optimize=True)
    else:
        image.save(stream, "JPEG", quality=78, optimize=True)
    return Picture(_address(stream.getvalue(), "png" if small else "jpeg"), described, small)


def beside(encoded: Sequence[bytes]) -> bytes:
    """Puts images beside each other, a little apart.

    Args:
        encoded: JPEG or PNG, as ExampleGen has checked them.

    Returns:
        A PNG image as high as the highest of them.
    """
    from PIL import Image

    images = [Image.open(io.BytesIO(each)).convert("RGBA") for each in encoded]
    height = max(image.height for image in images)
    gap = max(1, height // 16)
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    sheet, left = Image.new("RGBA", (width, height)), 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width + gap
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def of_file(file: Path) -> str:
    """Returns a picture's file as a data address; empty if it is not there."""
    return _address(file.read_bytes(), _KINDS[file.suffix]) if file.exists() else ""


def _address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
