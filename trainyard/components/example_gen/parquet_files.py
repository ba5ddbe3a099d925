"""Parquet in blocks, with every column as integer, float, text or bytes.

Booleans become 0 and 1, decimals floats, dates and times ISO 8601 text, those with
a time zone in UTC. The file's own schema decides; text that looks like a number
stays text.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.arrow_hotfix import EXTENSION
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.raw_batch import RawBatch
from trainyard.errors import DataError
from trainyard.raw_values import decimal_floats
from trainyard.recipe_schema import Data

_TEXT = ColumnType.TEXT
BLOCK_VALUES = 1 << 19
BLOCK_BYTES = 1 << 25
_BUFFER_BYTES = 1 << 20
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)
_ARROW_SCHEMA = re.compile(rb"ARROW:schema\x18[\x80-\xff]*[\x00-\x7f]([A-Za-z0-9+/=]+)")
"""In a footer (Thrift): the key, the length as a varint, the schema in base64."""


def schema_types(data: Data, file: Path) -> dict[str, ColumnType]:
    """Returns each column's type as the file's schema has it, but for those that are not read.

    Args:
        data: The recipe's data section.
        file: The file.

    Raises:
        DataError: It is not a Parquet file.
    """
    found = {field.name: _column_type(data, field) for field in _open(file).schema_arrow}
    types = {name: kind for name, kind in found.items() if kind is not None}
    return types | {name: ColumnType.FLOAT for name in _numbers(data) if types.get(name) is _TEXT}


def unread(data: Data, file: Path) -> dict[str, str]:
    """Returns the columns that are not read, with their types: lists, structures, durations.

    Args:
        data: The recipe's data section.
        file: The file.

    Raises:
        DataError: It is not a Parquet file.
    """
    fields = _open(file).schema_arrow
    return {each.name: str(each.type) for each in fields if _column_type(data, each) is None}


def _numbers(data: Data) -> Iterator[str]:
    """The columns of text that hold numbers, by their names in the file."""
    for name in data.numbers.columns if data.numbers else ():
        yield data.columns.get(name, name)


def batches(data: Data, file: Path, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
    """Yields blocks of rows; the position is in proportion to the rows.

    Args:
        data: The recipe's data section.
        file: The file.
        columns: Which of them to read; all that can be read if None.

    Raises:
        DataError: It is not a Parquet file, or is damaged.
    """
    parquet, done, size = _open(file), 0, file.stat().st_size
    if columns is None and unread(data, file):
        columns = list(schema_types(data, file))
    rows = max(1, min(BLOCK_VALUES // max(1, len(parquet.schema_arrow)), _fitting(parquet)))
    try:
        for batch in parquet.iter_batches(rows, columns=columns):
            done += len(batch)
            yield RawBatch(_plain(batch), size * done // parquet.metadata.num_rows)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"the Parquet file is damaged after row {done}: {error}", where=str(file)
        ) from None


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Gives text one type: nobody after this has to know of categories and large strings."""
    columns = [_plain_column(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _plain_column(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def numbers(data: Data, file: Path) -> Iterator[pa.RecordBatch]:
    """Yields the columns of numbers, typed, and no other: those are not read.

    Args:
        data: The recipe's data section.
        file: The file.

    Raises:
        DataError: It is not a Parquet file, or is damaged.
    """
    fields = _open(file).schema_arrow
    types = {n: kind for n, kind in schema_types(data, file).items() if kind in _NUMBERS}
    single = {n: kind for n, kind in types.items() if not _is_list(fields.field(n).type)}
    for raw in batches(data, file, list(single)):
        columns = [convert(raw.batch.column(name), kind) for name, kind in single.items()]
        yield pa.RecordBatch.from_arrays(columns, list(single))


def convert(values: pa.Array, column_type: ColumnType) -> pa.Array:
    """Converts a Parquet column to its type.

    Args:
        values: The column as read, shape `(n,)`.
        column_type: The type from `schema_types`, or a wider one.

    Raises:
        ValueError: A value does not fit, such as an unsigned integer above 2^63.
    """
    if pa.types.is_list(values.type):
        return values
    if pa.types.is_large_list(values.type) or pa.types.is_fixed_size_list(values.type):
        return _small_list(values)
    if pa.types.is_decimal(values.type) and column_type is ColumnType.FLOAT:
        return pa.array([None if v is None else float(v) for v in values.to_pylist()], pa.float64())
    if pa.types.is_boolean(values.type) and column_type is ColumnType.TEXT:
        return pc.if_else(values, "True", "False")  # as pandas writes them to CSV
    if pa.types.is_float32(values.type) and column_type is ColumnType.FLOAT:
        return pa.array(decimal_floats(np.asarray(values)), mask=np.asarray(values.is_null()))
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int64())
    if pa.types.is_date(values.type) and column_type is ColumnType.TIMESTAMP:
        values = values.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(values.type):
        return _timestamps(values)
    if pa.types.is_time(values.type):
        return _without_zeros(values.cast(pa.string()))
    try:
        return values.cast(column_type.arrow)
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from None


def _timestamps(values: pa.Array) -> pa.Array:
    """ISO 8601, the instant in UTC if there is a time zone, however fine the file's unit is."""
    zone = "Z" if values.type.tz else ""
    if zone:
        values = values.cast(pa.timestamp(values.type.unit, "UTC"))
    text = _without_zeros(pc.strftime(values, format="%Y-%m-%dT%H:%M:%S"))
    return pc.binary_join_element_wise(text, zone, "") if zone else text


def _without_zeros(times: pa.Array) -> pa.Array:
    """Cuts zeros off the fraction of a second, and a fraction of nothing."""
    return pc.replace_substring_regex(times, r"\.0*$|(\.\d*[1-9])0*$", r"\1")


def _small_list(values: pa.Array) -> pa.Array:
    lengths = np.asarray(pc.fill_null(pc.list_value_length(values), 0))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    missing = np.append(np.asarray(values.is_null()), False)
    return pa.ListArray.from_arrays(pa.array(offsets, mask=missing), pc.list_flatten(values))


def _fitting(parquet: Any) -> int:
    """How many rows of the average size are a block."""
    groups = [parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups)]
    widest = max((each.total_byte_size // max(1, each.num_rows) for each in groups), default=0)
    return int(BLOCK_BYTES // max(1, widest))


def _pixels(data: Data) -> set[str]:
    """The columns that have a list of pixels in each row, by their names in the file."""
    sources = [images.origin for images in data.images if images.shape]
    return {data.columns.get(source, source) for source in sources}


def _open(file: Path) -> Any:
    import pyarrow.parquet

    try:
        # With a buffer, a column is read as it is needed, not a whole group of rows at once.
        return pyarrow.parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"this is not a Parquet file: {error}",
            where=str(file),
            hint="set `data.format` in the recipe to what the file is: csv, parquet or tfrecord",
        ) from None
    except Exception:  # pyarrow-hotfix refuses in more than one way
        if columns := _pickled_columns(file):
            raise _runs_code(file, columns) from None
        raise


def _runs_code(file: Path, columns: list[str]) -> DataError:
    return DataError(
        f"the type of the column {' and of '.join(map(repr, columns))} is a pickled Python object: "
        "reading it would run code from the file (CVE-2023-47248)",
        where=str(file),
        expected="columns of Arrow's own types",
        received=f"the extension type {EXTENSION}",
        hint="do not open this file with other tools unless you trust its author; write it again "
        "without Python extension types (pyarrow.PyExtensionType)",
    )


def _pickled_columns(file: Path) -> list[str]:
    """Finds the columns to refuse in the Arrow schema of the file's footer, unpickling nothing."""
    with file.open("rb") as stream:
        stream.seek(-8, os.SEEK_END)
        length = int.from_bytes(stream.read(4), "little")
        stream.seek(-8 - length, os.SEEK_END)
        found = _ARROW_SCHEMA.search(stream.read(length))
    if found is None:
        return []
    # Under another name Arrow knows no such type, and reads the column as what it stores.
    marker, harmless = EXTENSION.encode(), b"?" * len(EXTENSION)
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(found[1]).replace(marker, harmless)))
    return [f.name for f in schema if harmless in pa.schema([f]).serialize().to_pybytes()]


def _column_type(data: Data, field: pa.Field) -> ColumnType | None:
    """What a column becomes; None if that is not one value a row."""
    is_pixels = field.name in _pixels(data) and _is_list(field.type)
    nested = is_pixels or pa.types.is_dictionary(field.type)
    kind = field.type.value_type if nested else field.type
    return next((column_type for accepts, column_type in _TYPES if accepts(kind)), None)


def _is_list(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(accepts(kind) for accepts in lists)


_TYPES = (
    (pa.types.is_null, ColumnType.MISSING),
    (pa.types.is_boolean, ColumnType.BOOLEAN),
    (pa.types.is_integer, ColumnType.INTEGER),
    (pa.types.is_floating, ColumnType.FLOAT),
    (pa.types.is_decimal, ColumnType.FLOAT),
    (pa.types.is_string, ColumnType.TEXT),
    (pa.types.is_large_string, ColumnType.TEXT),
    (pa.types.is_binary, ColumnType.BYTES),
    (pa.types.is_large_binary, ColumnType.BYTES),
    (pa.types.is_fixed_size_binary, ColumnType.BYTES),
    (pa.types.is_date, ColumnType.DATE),
    (pa.types.is_time, ColumnType.TIME),
    (pa.types.is_timestamp, ColumnType.TIMESTAMP),
)
