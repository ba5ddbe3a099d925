"""Splits of tf.Examples in large batches: raw ones in, transformed ones out."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder
from tfx_bsl.tfxio import dataset_options
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from trainyard.components.transform.tft_private import Tensors

BATCH_ROWS = 8192
"""So large that a call costs little a row, so small that a batch stays in some megabytes."""

Item = TypeVar("Item")


class RawSplit:
    """The files of one split as batches of tensors.

    Args:
        folder: The split's folder.
        schema: Of the raw examples.
    """

    def __init__(self, folder: str, schema: schema_pb2.Schema) -> None:
        self._files = TFExampleRecord(f"{folder}/*", ["Transform"], schema)

    @property
    def specs(self) -> dict[str, tf.TypeSpec]:
        """The type of each column."""
        specs: dict[str, tf.TypeSpec] = self._files.TensorAdapter().OriginalTypeSpecs()
        return specs

    def batches(self, columns: Sequence[str]) -> Iterator[Tensors]:
        """Yields some columns' tensors, `[B, ...]`; reads and decodes ahead in a thread.

        Args:
            columns: Which; nothing else is decoded.
        """
        files = self._files.Project(list(columns))
        adapter = files.TensorAdapter()
        options = dataset_options.RecordBatchesOptions(BATCH_ROWS, num_epochs=1, shuffle=False)
        return ahead(adapter.ToBatchTensors(batch) for batch in files.RecordBatches(options))


def write(
    batches: Iterable[pa.RecordBatch],
    schema: schema_pb2.Schema,
    prefix: str,
    report: Callable[[int], None],
) -> int:
    """Writes a split as one gzip TFRecord file, compression level 1 as the fastest.

    Args:
        batches: Transformed rows, columns of lists.
        schema: Of the transformed features.
        prefix: The file's path up to its number.
        report: Told how many rows there are after each batch.

    Returns:
        The number of rows.
    """
    file = Path(f"{prefix}-00000-of-00001.gz")
    file.parent.mkdir(parents=True, exist_ok=True)
    encoder, rows = RecordBatchToExamplesEncoder(schema), 0
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    with tf.io.TFRecordWriter(str(file), options) as writer:
        for batch in batches:
            for record in encoder.encode(batch):
                writer.write(record)
            rows += len(batch)
            report(rows)
    return rows


def ahead(items: Iterable[Item], limit: int = 2) -> Iterator[Item]:
    """Makes items in a thread, before they are asked for.

    Args:
        items: Whatever makes them.
        limit: How many may wait.

    Yields:
        The items in their order.

    Raises:
        Exception: What making an item raised.
    """
    waiting: queue.Queue[tuple[str, Item | BaseException | None]] = queue.Queue(limit)
    stop = threading.Event()

    def put(kind: str, value: Item | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return waiting.put((kind, value), timeout=0.1)
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put("item", item)
                if stop.is_set():
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    threading.Thread(target=make, daemon=True).start()
    try:
        while (got := waiting.get())[0] == "item":
            yield got[1]  # type: ignore[misc]  # an item
        if isinstance(got[1], BaseException):
            raise got[1]
    finally:
        stop.set()
