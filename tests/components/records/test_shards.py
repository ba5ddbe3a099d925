"""Shards as others read them."""

from __future__ import annotations

import pyarrow as pa
import pytest
import tensorflow as tf

from trainyard.components.records import shards, tfrecord_blocks


@pytest.mark.parametrize("compress", [shards.compressed, shards.stored])
def test_a_block_without_rows_does_not_end_the_file(tmp_path, compress):
    writer = shards.ShardWriter(tmp_path / "data")
    for records in ([], [b"one", b"two"], [], [], [b"three"]):
        framed = shards.framed(pa.array(records, pa.binary()), records)
        writer.write(*compress(framed))
    writer.finish()
    (file,) = tmp_path.iterdir()
    expected = [b"one", b"two", b"three"]
    assert list(tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()) == expected
    blocks = tfrecord_blocks.read([file])
    assert [record for block in blocks for record in block.records()] == expected
