"""Splits of tf.Examples in large batches: raw ones in, transformed ones out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from trainyard.components.records import encoder, parallel, shards, tfrecord_blocks
from trainyard.components.records.shards import ShardWriter
from trainyard.components.transform.tft_private import Tensors

BATCH_ROWS = 8192
"""So large that a call costs little a row, so small that a batch stays in some megabytes."""


class RawSplit:
    """The files of one split as batches of tensors.

    Args:
        folder: The split's folder.
        schema: Of the raw examples.
    """

    def __init__(self, folder: str, schema: schema_pb2.Schema) -> None:
        self._files, self._schema = tfrecord_blocks.shards(folder), schema

    @property
    def specs(self) -> dict[str, tf.TypeSpec]:
        """The type of each column."""
        examples = TFExampleBeamRecord("tfrecord", ["Transform"], self._schema)
        specs: dict[str, tf.TypeSpec] = examples.TensorAdapter().OriginalTypeSpecs()
        return specs

    def batches(self, columns: Sequence[str]) -> Iterator[Tensors]:
        """Yields some columns' tensors, `[B, ...]`; reads and parses ahead.

        Args:
            columns: Which; nothing else is decoded.
        """
        # TensorFlow's parser takes a fifth of the time of the Arrow decoder that Beam is fed by.
        every = schema_utils.schema_as_feature_spec(self._schema).feature_spec
        features = {name: every[name] for name in columns}
        blocks = tfrecord_blocks.read(self._files, block_rows=BATCH_ROWS)
        yield from tfrecord_blocks.ahead(
            tf.io.parse_example(tf.constant(block.records()), features) for block in blocks
        )


def write(batches: Iterable[pa.RecordBatch], prefix: Path, written: Callable[[int], None]) -> None:
    """Writes a split as gzip TFRecord shards; encodes and compresses beside the graph's work.

    Args:
        batches: Transformed rows, columns of lists.
        prefix: The path of a file up to its number.
        written: Told each batch's number of rows.
    """
    writer = ShardWriter(prefix)
    try:
        for rows, (member, size) in parallel.mapped(_compressed, batches):
            writer.write(member, size)
            written(rows)
        writer.finish()
    finally:
        writer.close()


def _compressed(batch: pa.RecordBatch) -> tuple[int, tuple[bytes, int]]:
    examples = encoder.encode(batch)
    return len(batch), shards.compressed(shards.framed(examples, encoder.each(examples)))
