"""One long text a file, cut into windows while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from trainyard.components.example_gen import text_files
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.raw_batch import RawBatch
from trainyard.errors import DataError
from trainyard.recipe_schema import POSITION, Data, Windows
from trainyard.wording import counted

BLOCK_CHARACTERS = 1 << 22  # of all windows of a block, which may overlap


def types(data: Data, file: Path) -> dict[str, ColumnType]:
    """Returns the types of the text and of its position.

    Args:
        data: The recipe's data section.
        file: A file.
    """
    del file
    return {_settings(data).column: ColumnType.TEXT, POSITION: ColumnType.INTEGER}


def batches(data: Data, file: Path) -> Iterator[RawBatch]:
    """Yields the windows with their positions, in characters from the beginning of the text.

    What is left at the end and fills no window is in none, unless an earlier one has it.

    Args:
        data: The recipe's data section.
        file: The file, plain or gzip.

    Raises:
        RecipeError: The encoding is unknown.
        DataError: The file is not text in this encoding, or shorter than a window.
    """
    settings = _settings(data)
    length, stride = settings.length, settings.step
    rest, offset, start = "", 0, 0  # the next window begins at `start`, `rest` at `offset`
    for text, read in text_files.decoded(data, file):
        rest += text
        starts = np.arange(start - offset, len(rest) - length + 1, stride)
        for some in np.array_split(starts, len(starts) * length // BLOCK_CHARACTERS + 1):
            windows = pa.array([rest[at : at + length] for at in some.tolist()], pa.string())
            columns = {settings.column: windows, POSITION: pa.array(some + offset)}
            yield RawBatch(pa.RecordBatch.from_pydict(columns), read)
        start += len(starts) * stride
        passed = min(start - offset, len(rest))
        rest, offset = rest[passed:], offset + passed
    if not start:
        raise DataError(
            "the text is shorter than a window",
            where=str(file),
            expected=f"at least {counted(length, 'character')} (`data.windows.length`)",
            received=f"{len(rest):,}",
        )


def _settings(data: Data) -> Windows:
    if data.windows is None:
        raise ValueError("a recipe has windows wherever the format is text")
    return data.windows
