"""Reads tf.Examples as large Arrow record batches, streaming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from trainyard.components.records import column_decoder, tfrecord_blocks
from trainyard.components.records.tfrecord_blocks import RecordBlock
from trainyard.errors import DataError

# Column by column costs by the column, value by value by the value: few rows, the latter.
_FEW_ROWS = 256


def record_batches(
    files: Sequence[Path], block_bytes: int = tfrecord_blocks.BLOCK_BYTES
) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yields all rows as columns, with how much of the input is read, 0 to 1.

    A column is what tfx_bsl's decoder without a schema makes of it: a large list
    of int64, float32 or large binary, null where an example has not got the
    feature, and of the null type in a block where none has a value. A block need
    not have the same columns, or the same order, as another.

    Args:
        files: TFRecord files, `.gz` or plain.
        block_bytes: About how much to hold at a time, before decoding.

    Raises:
        DataError: A file is damaged, or a record is not a tf.Example.
    """
    decoder = _Decoder()
    for block in tfrecord_blocks.read(files, block_bytes):
        yield decoder.decode(block), block.fraction


class _Decoder:
    """Decodes blocks column by column where the records are laid out for it.

    The layout is that of the first record; features that come later widen it
    once. Records in no fixed order are left to tfx_bsl's decoder.
    """

    def __init__(self) -> None:
        from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

        self._general = ExamplesToRecordBatchDecoder()
        self._layout: list[str] | None = None
        self._may_widen = True

    def decode(self, block: RecordBlock) -> pa.RecordBatch:
        """Decodes a block.

        Args:
            block: Records.

        Raises:
            DataError: A record is not a tf.Example like the others.
        """
        if len(block) < _FEW_ROWS or self._layout == []:
            return self._generally(block)
        if self._layout is None:
            first = block.data[block.starts[0] : block.ends[0]]
            self._layout = column_decoder.layout_of(first)
        batch = column_decoder.decode(block, self._layout)
        if batch is not None:
            return batch
        batch = self._generally(block)
        self._widen(batch.schema.names)
        return batch

    def _widen(self, names: list[str]) -> None:
        both = {*names, *(self._layout or [])}
        self._layout = sorted(both, key=_written_order) if self._may_widen else []
        self._may_widen = False

    def _generally(self, block: RecordBlock) -> pa.RecordBatch:
        try:
            return self._general.DecodeBatch(block.records())
        except (ValueError, RuntimeError) as error:
            raise DataError(
                f"a record is not a tf.Example like the others: {str(error).splitlines()[0]}",
                where=str(block.file),
                expected="serialized tf.train.Example, each feature of one kind throughout",
            ) from None


def _written_order(name: str) -> list[int]:
    # As protobuf writes a map in a fixed order; see `records.encoder`.
    return [*name.encode(), 256]
