"""Images made for the page."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from trainyard.pipeline.report import pictures


def encoded(level: int, width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (width, height), level).save(stream, "PNG")
    return stream.getvalue()


def test_images_stand_beside_each_other():
    sheet = Image.open(io.BytesIO(pictures.beside([encoded(9, 4, 8), encoded(200, 6, 5)])))
    assert sheet.size == (4 + 1 + 6, 8)
    seen = np.asarray(sheet)
    assert (seen[:, :4] == (9, 9, 9, 255)).all()
    assert (seen[:5, 5:] == (200, 200, 200, 255)).all()
    assert (seen[:, 4] == 0).all()
