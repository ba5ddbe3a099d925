from __future__ import annotations

import gzip
import random
from pathlib import Path

import pyarrow as pa
import pytest
import tensorflow as tf

from tests.components.records.test_column_decoder import example
from trainyard.components.records import arrow_examples, column_decoder
from trainyard.components.records.arrow_examples import record_batches
from trainyard.errors import DataError


def write(file: Path, records: list[bytes]) -> Path:
    compression = "GZIP" if file.suffix == ".gz" else ""
    with tf.io.TFRecordWriter(str(file), compression) as writer:
        for record in records:
            writer.write(record)
    return file


def numbers(files: list[Path], **options) -> list[int]:
    batches = [batch for batch, _ in record_batches(files, **options)]
    return [number for batch in batches for number in batch.column("a").flatten().to_pylist()]


@pytest.mark.parametrize("name", ["rows.gz", "rows.tfrecord"])
@pytest.mark.parametrize("block_bytes", [1, 1000, 1 << 20])
def test_all_rows_in_order(tmp_path, name, block_bytes):
    records = [example(a=[row], b=[b"x" * (row % 300)]) for row in range(1000)]
    files = [write(tmp_path / f"{part}{name}", records) for part in range(2)]
    assert numbers(files, block_bytes=block_bytes) == [*range(1000), *range(1000)]


def test_blocks_are_bounded_and_fractions_rise_to_one(tmp_path):
    file = write(tmp_path / "rows", [example(a=[row]) for row in range(10_000)])
    read = list(record_batches([file], block_bytes=20_000))
    assert len(read) > 5
    assert max(len(batch) for batch, _ in read) < 1500
    fractions = [fraction for _, fraction in read]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_parts_of_gzip_and_no_rows(tmp_path):
    one, two = (
        write(tmp_path / f"{number}.gz", [example(a=[number])]).read_bytes() for number in (1, 2)
    )
    (tmp_path / "both.gz").write_bytes(one + two)
    write(tmp_path / "none.gz", [])
    assert numbers([tmp_path / "none.gz", tmp_path / "both.gz"]) == [1, 2]


def test_features_that_come_later_widen_the_layout_once(tmp_path, monkeypatch):
    layouts = []
    decode = column_decoder.decode

    def watched(block, layout):
        batch = decode(block, layout)
        layouts.append(("".join(layout), batch is not None))
        return batch

    monkeypatch.setattr(arrow_examples.column_decoder, "decode", watched)
    rows = [example(a=[row], c=[1]) for row in range(1000)]
    rows += [example(a=[row], b=[1.0]) for row in range(1000, 3000)]
    assert numbers([write(tmp_path / "rows", rows)], block_bytes=30_000) == [*range(3000)]
    assert layouts[0] == ("ac", True)
    assert ("ac", False) in layouts
    assert layouts[-1] == ("abc", True)


def test_records_in_no_fixed_order(tmp_path):
    pick, rows = random.Random(0), []
    entries = [example(**{name: [1]})[2:] for name in "bcdefg"]
    for row in range(600):
        parts = b"".join(pick.sample([example(a=[row])[2:], *entries], 7))
        rows.append(b"\x0a" + bytes([len(parts)]) + parts)
    assert numbers([write(tmp_path / "rows", rows)], block_bytes=20_000) == [*range(600)]


@pytest.mark.parametrize("name", ["rows.gz", "rows"])
def test_a_file_cut_off(tmp_path, name):
    file = write(tmp_path / name, [example(a=[row]) for row in range(500)])
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(DataError, match="not a whole TFRecord file"):
        numbers([file])


def test_flipped_bits(tmp_path):
    file = write(tmp_path / "rows", [example(a=[row]) for row in range(500)])
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match="rows: this is not a whole TFRecord file"):
        numbers([file])


@pytest.mark.parametrize("content", [b"a,b\n1,2\n" * 10_000, b"short"])
def test_a_file_of_another_kind(tmp_path, content):
    (tmp_path / "plain").write_bytes(content)
    with pytest.raises(DataError, match="not a whole TFRecord file"):
        numbers([tmp_path / "plain"], block_bytes=100)
    with gzip.open(tmp_path / "packed.gz", "wb") as packed:
        packed.write(content)
    with pytest.raises(DataError, match="not a whole TFRecord file"):
        numbers([tmp_path / "packed.gz"], block_bytes=100)


def test_records_that_are_no_examples(tmp_path):
    file = write(tmp_path / "rows", [b"no example at all"] * 500)
    with pytest.raises(DataError, match=r"rows: a record is not a tf\.Example"):
        numbers([file])


def test_kinds_that_do_not_agree(tmp_path):
    file = write(tmp_path / "rows", [example(a=[1]), example(a=[b"text"])] * 300)
    with pytest.raises(DataError, match='"a"'):
        numbers([file])


def test_a_column_of_nothing_has_no_type(tmp_path):
    file = write(tmp_path / "rows", [example(a=[1], b=None)] * 500)
    ((batch, _),) = record_batches([file])
    assert batch.column("b").type == pa.null()
