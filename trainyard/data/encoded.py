"""Arrays of pixels as Parquet files of PNG images."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any


def table(images: Mapping[str, Any], columns: Mapping[str, Any]) -> bytes:
    """Writes images with other columns beside them.

    Args:
        images: Pixels by column, uint8 `(N, height, width)` for grey or `(N, height, width, 3)`.
        columns: `N` values each.

    Returns:
        A Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet

    files = {
        n: pa.array([_png(each) for each in pixels], pa.binary()) for n, pixels in images.items()
    }
    stream = io.BytesIO()
    pyarrow.parquet.write_table(
        pa.table(files | {name: pa.array(v) for name, v in columns.items()}),
        stream,
        compression="none",  # a PNG is compressed already
        row_group_size=10_000,
    )
    return stream.getvalue()


def _png(pixels: Any) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
