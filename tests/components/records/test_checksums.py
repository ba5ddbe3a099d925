from __future__ import annotations

import struct

import pytest
import tensorflow as tf

from trainyard.components.records import checksums


def test_as_tensorflow_writes_them(tmp_path):
    file, records = tmp_path / "rows", [b"", b"one", b"\xff" * 1000]
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record)
    content, at = file.read_bytes(), 0
    for record, checksum in zip(records, checksums.masked(records), strict=True):
        length = struct.pack("<Q", len(record))
        framed = length + checksums.masked([length]).tobytes() + record + checksum.tobytes()
        assert content[at : at + len(framed)] == framed
        at += len(framed)
    assert at == len(content)


@pytest.mark.parametrize("count", [0, 3])
def test_one_each(count):
    assert checksums.masked([b"x"] * count).shape == (count,)
