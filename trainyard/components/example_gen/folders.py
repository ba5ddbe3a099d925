"""Class folders as a table: a row for every file, its path and the name of its folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from trainyard.components.example_gen import patterns
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.raw_batch import RawBatch
from trainyard.errors import DataError
from trainyard.recipe_schema import Data

PATH, LABEL = "path", "label"
BLOCK_ROWS = 1 << 16
_NOT_MEANT = {"Thumbs.db", "desktop.ini"}  # what Windows leaves behind


def classes(files: Iterable[Path]) -> list[Path]:
    """Returns the class folders that files are in, which the reader takes for its files.

    Args:
        files: What the pattern `FOLDER/*/*` matched.
    """
    return sorted({file.parent for file in files})


def column_types(data: Data, folder: Path) -> dict[str, ColumnType]:
    """Returns the types of the two columns.

    Args:
        data: The recipe's data section.
        folder: A class folder.
    """
    del data, folder
    return {PATH: ColumnType.TEXT, LABEL: ColumnType.TEXT}


def batches(data: Data, folder: Path) -> Iterator[RawBatch]:
    """Yields the files of a class in the order of their names.

    Hidden files are passed over. A path is relative to `data.path`, as far as that is one folder.

    Args:
        data: The recipe's data section.
        folder: A class folder.

    Raises:
        DataError: There is a folder in it.
    """
    files = sorted(file for file in folder.iterdir() if _is_meant(file))
    if inner := next((file for file in files if file.is_dir()), None):
        raise DataError(
            f"there is a folder in the folder of the class {folder.name!r}",
            where=str(inner),
            expected="images only",
            hint="a class is one folder: move its images up, or the folder elsewhere; or is "
            "`data.path` a folder too high?",
        )
    size = folder.stat().st_size
    root = patterns.sure_folder(data.path or "")
    for start in range(0, len(files), BLOCK_ROWS):
        some = files[start : start + BLOCK_ROWS]
        paths = [file.relative_to(root).as_posix() for file in some]
        columns = {PATH: pa.array(paths, pa.string()), LABEL: pa.array([folder.name] * len(some))}
        done = start + len(some)
        yield RawBatch(pa.RecordBatch.from_pydict(columns), size * done // len(files))


def _is_meant(file: Path) -> bool:
    return not file.name.startswith(".") and file.name not in _NOT_MEANT
