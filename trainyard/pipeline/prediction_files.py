"""What is to be predicted, in blocks as it stands in files; and a writer, all or nothing."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainyard.components.example_gen import csv_files, parquet_files, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.quarantine import BadRow
from trainyard.components.example_gen.raw_batch import RawBatch
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError, EnvironmentProblem, RecipeError
from trainyard.recipe_schema import Data

_FORMATS: dict[str, Literal["csv", "parquet"]] = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}

PATH = "path"
"""The column of image files."""

_BLOCK_ROWS = 1 << 12

Write = Callable[[pa.RecordBatch], None]


def format_of(path: Path) -> Literal["csv", "parquet"]:
    """Tells a file's format by its extension.

    Args:
        path: The file.

    Raises:
        RecipeError: The extension is unknown.
    """
    for extension, form in _FORMATS.items():
        if path.name.lower().endswith(extension):
            return form
    raise RecipeError(
        f"the extension of {path.name!r} says neither CSV nor Parquet",
        where=str(path),
        expected=", ".join(_FORMATS),
    )


def columns(data: Data, path: Path) -> dict[str, ColumnType]:
    """The table's columns and their types as they stand in the file, in order.

    Args:
        data: How CSV is written; `format` is the file's.
        path: The file.

    Raises:
        DataError: There is no such file, or it has no header.
    """
    file = _existing(path)
    if data.format == "csv":
        return dict.fromkeys(csv_files.header(data, file), ColumnType.TEXT)
    return parquet_files.schema_types(data, file)


def blocks(data: Data, path: Path) -> Iterator[Block]:
    """Yields a table's rows as they stand in the file: CSV as text, Parquet as its own types.

    Args:
        data: How CSV is written; `format` is the file's. What `on_bad_row` says of rows of CSV
            with too many or too few fields.
        path: The file.

    Raises:
        DataError: The file cannot be read; the row is named.
    """
    file = _existing(path)
    nothing = pa.RecordBatch.from_pydict(
        {name: pa.array([], pa.string()) for name in columns(data, path)}
    )
    size, first_row = file.stat().st_size or 1, 1
    for raw in _batches(data, file):
        raw = raw if raw.batch.num_columns else raw._replace(batch=nothing)
        block = reader.numbered(raw, file, first_row)
        yield dataclasses.replace(block, fraction=raw.position / size)
        first_row += len(raw)


def _batches(data: Data, file: Path) -> Iterator[RawBatch]:
    as_it_stands = data.model_copy(update={"missing": ()})
    read = csv_files.batches if data.format == "csv" else parquet_files.batches
    return read(as_it_stands, file)


def bad_rows_file(output: Path) -> Path:
    """Returns where the rows go that could not be predicted: beside the output."""
    return output.with_name(f"{output.name}.bad_rows.csv")


def with_bad_rows(
    predictions: Iterable[pa.RecordBatch],
    output: Path,
    data: Data,
    input: Path,
    bad: Sequence[BadRow],
) -> Iterator[pa.RecordBatch]:
    """Yields predictions; after the last one writes the bad rows word for word, if there are any.

    They are CSV in UTF-8, separated by commas: row, reason, detail, text.

    Args:
        predictions: All of them.
        output: Where they go.
        data: As for `blocks`.
        input: The file that is predicted; it is read again for the text of the rows.
        bad: The rows, ascending, once all predictions have been made.

    Raises:
        EnvironmentProblem: The rows cannot be written.
    """
    yield from predictions
    if not bad:
        return
    texts = _texts(data, _existing(input), {row.row for row in bad})
    rows = [(row.row, row.reason, row.detail, _writable(texts[row.row])) for row in bad]
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    batch = pa.RecordBatch.from_arrays(columns, ("row", "reason", "detail", "text"))
    write(bad_rows_file(output), ",", [batch])


def _writable(text: str) -> str:
    """Bytes that are no text are shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _texts(data: Data, file: Path, rows: Collection[int]) -> dict[int, str]:
    """Rows as they stand in the file, by their numbers."""
    found: dict[int, str] = {}
    before = 0
    for raw in _batches(data, file):
        block = reader.numbered(raw, file, before + 1)
        places = np.flatnonzero(np.isin(block.numbers, list(rows))).tolist()
        if places:
            found |= zip(block.numbers[places].tolist(), raw.as_text(places), strict=True)
        found |= {bad.row: bad.text for bad in block.bad}
        before += len(raw)
    return found


def image_blocks(paths: Sequence[Path]) -> Iterator[Block]:
    """Yields image files as a table of one column, `PATH`.

    Args:
        paths: Files, and folders, of which all files count that are not hidden.

    Raises:
        DataError: There is no such file, or there are none in a folder.
    """
    files = [str(file) for path in paths for file in _files(path)]
    for start in range(0, len(files), _BLOCK_ROWS):
        some = files[start : start + _BLOCK_ROWS]
        batch = pa.RecordBatch.from_pydict({PATH: pa.array(some, pa.string())})
        numbers = start + 1 + np.arange(len(some))
        yield Block(batch, Path(), numbers, (start + len(some)) / len(files))


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise DataError(f"no such file: {path}", expected="an image, or a folder of images")
    if not path.is_dir():
        return [path]
    below = (file.relative_to(path) for file in path.rglob("*") if file.is_file())
    found = sorted(f for f in below if not any(part.startswith(".") for part in f.parts))
    if not found:
        raise DataError(f"there is no image in {path}", expected="at least one file")
    return [path / file for file in found]


def _existing(path: Path) -> Path:
    if not path.exists():
        raise DataError(f"no such file: {path}", where="--input")
    return reader.checked([path], str(path))[0]


def write(path: Path, delimiter: str, batches: Iterable[pa.RecordBatch]) -> int:
    """Writes a table that appears under its name only if all went well.

    Args:
        path: CSV (gzip if it ends in .gz) or Parquet.
        delimiter: CSV: between the fields.
        batches: All of the same columns.

    Returns:
        How many rows there were.

    Raises:
        EnvironmentProblem: It cannot be written.
    """
    rows = 0
    with _written_whole(path, delimiter) as write_batch:
        for batch in batches:
            write_batch(batch)
            rows += len(batch)
    return rows


@contextmanager
def _written_whole(path: Path, delimiter: str) -> Iterator[Write]:
    """Opens a table that appears under its name only if all went well.

    Args:
        path: CSV (gzip if it ends in .gz) or Parquet.
        delimiter: CSV: between the fields.

    Yields:
        A function that writes a batch; all batches have the same columns.

    Raises:
        EnvironmentProblem: It cannot be written.
    """
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    opened = _csv if format_of(path) == "csv" else _parquet
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened(beside, delimiter) as write:
            yield write
        beside.replace(path)
    except OSError as error:
        raise EnvironmentProblem(
            f"the predictions cannot be written: {error.strerror or error}",
            where=str(path),
            hint="choose another place, or make room there",
        ) from None
    finally:
        with suppress(OSError):
            beside.unlink()


@contextmanager
def _csv(path: Path, delimiter: str) -> Iterator[Write]:
    with _text(path) as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        header: list[str] = []

        def write(batch: pa.RecordBatch) -> None:
            if not header:
                header.extend(batch.schema.names)
                writer.writerow(header)
            writer.writerows(_rows(batch))

        yield write


def _rows(batch: pa.RecordBatch) -> Iterable[tuple[object, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "wt", compresslevel=1, encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")


@contextmanager
def _parquet(path: Path, delimiter: str) -> Iterator[Write]:
    del delimiter
    writers: list[pq.ParquetWriter] = []

    def write(batch: pa.RecordBatch) -> None:
        if not writers:
            writers.append(pq.ParquetWriter(path, batch.schema))
        writers[0].write_batch(batch)

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()
