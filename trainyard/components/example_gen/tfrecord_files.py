"""TFRecord files of tf.Examples in blocks: one list of values a row and feature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.raw_batch import RawBatch
from trainyard.errors import DataError
from trainyard.recipe_schema import Data

BLOCK_ROWS = 4096
BLOCK_BYTES = 1 << 25


def feature_types(data: Data, file: Path) -> dict[str, ColumnType]:
    """Returns the type of every feature that occurs, from a pass over the whole file.

    Args:
        data: The recipe's data section.
        file: The file, plain or gzip.

    Raises:
        DataError: The file is damaged or holds no tf.Examples.
    """
    types: dict[str, ColumnType] = {}
    for raw in batches(data, file):
        for name, column in zip(raw.batch.schema.names, raw.batch.columns, strict=True):
            types[name] = max(types.get(name, ColumnType.MISSING), _column_type(column))
    return types


def batches(data: Data, file: Path) -> Iterator[RawBatch]:
    """Yields blocks of rows; the position is that of the records, uncompressed.

    A column is a list array: null where an example has not got the feature.

    Args:
        data: The recipe's data section.
        file: The file, plain or gzip.

    Raises:
        DataError: The file is damaged or holds no tf.Examples.
    """
    del data
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    decoder, row, done, size = ExamplesToRecordBatchDecoder(), 0, 0, file.stat().st_size
    for block in _grouped(_records(file)):
        try:
            batch = decoder.DecodeBatch(block)
        except (ValueError, RuntimeError) as error:
            raise DataError(
                f"a record is not a tf.Example like the others: {str(error).splitlines()[0]}",
                where=f"{file}, rows {row + 1} to {row + len(block)}",
                expected="serialized tf.train.Example, each feature of one kind throughout",
            ) from None
        row, done = row + len(block), done + sum(map(len, block))
        yield RawBatch(_with_small_lists(batch), min(done, size))


def convert(values: pa.Array, column_type: ColumnType) -> pa.Array:
    """Turns integers into floats where the schema says so; leaves all else as it is.

    Args:
        values: A list array.
        column_type: The type decided for the column.
    """
    if column_type is ColumnType.FLOAT and pa.types.is_integer(values.type.value_type):
        return values.cast(pa.list_(pa.float64()))
    return values


def _grouped(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    block: list[bytes] = []
    size = 0
    for record in records:
        block.append(record)
        size += len(record)
        if len(block) == BLOCK_ROWS or size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _records(file: Path) -> Iterator[bytes]:
    import tensorflow as tf

    with file.open("rb") as raw:
        compression = "GZIP" if raw.read(2) == b"\x1f\x8b" else ""
    row = 0
    try:
        for row, record in enumerate(  # noqa: B007
            tf.data.TFRecordDataset(str(file), compression).as_numpy_iterator(), 1
        ):
            yield record
    except tf.errors.OpError as error:
        raise DataError(
            f"this is not a whole TFRecord file: {error.message.splitlines()[0]}",
            where=f"{file}, after row {row}",
            hint="set `data.format` in the recipe to what the file is, or copy the file again",
        ) from None


def _column_type(column: pa.Array) -> ColumnType:
    kind = column.type.value_type
    if pa.types.is_integer(kind):
        return ColumnType.INTEGER
    return ColumnType.FLOAT if pa.types.is_floating(kind) else ColumnType.TEXT


def _with_small_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    # Arrow's join of binary values knows 32-bit offsets only; a block is far below 2 GB.
    columns = {
        name: column.cast(pa.list_(_small(column.type.value_type)))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if not pa.types.is_null(column.type)
    }
    return pa.RecordBatch.from_pydict(columns)


def _small(kind: pa.DataType) -> pa.DataType:
    return pa.binary() if pa.types.is_large_binary(kind) else kind
