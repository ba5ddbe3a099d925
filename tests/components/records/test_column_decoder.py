"""Decoding column by column gives what tfx_bsl's decoder gives, or nothing."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from trainyard.components.records import column_decoder
from trainyard.components.records.tfrecord_blocks import RecordBlock


def block(records: list[bytes]) -> RecordBlock:
    """Records with something before, between and after, as in a file."""
    data, starts, ends = b"\xff" * 5, [], []
    for record in records:
        starts.append(len(data))
        data += record
        ends.append(len(data))
        data += b"\xff\x0a\x80"
    return RecordBlock(data, np.array(starts), np.array(ends), Path("file"), 1.0)


def feature(values) -> tf.train.Feature:
    if values is None:
        return tf.train.Feature()
    if isinstance(values, str):  # an empty list of a kind
        return tf.train.Feature(**{values: type(getattr(tf.train.Feature(), values))()})
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def example(**columns) -> bytes:
    features = {name: feature(values) for name, values in columns.items()}
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return message.SerializeToString(deterministic=True)


def assert_as_tfx_bsl(records: list[bytes], layout: list[str] | None = None) -> None:
    layout = column_decoder.layout_of(records[0]) if layout is None else layout
    found = column_decoder.decode(block(records), layout)
    assert found is not None
    found.validate(full=True)
    expected = ExamplesToRecordBatchDecoder().DecodeBatch(records)
    assert sorted(found.schema.names) == sorted(expected.schema.names)
    for name, column in zip(expected.schema.names, expected.columns, strict=True):
        assert found.column(name).type == column.type, name
        assert found.column(name).equals(column) or np.isnan(column.flatten()).any(), name


NUMBERS = [0, 1, -1, 127, 128, 300, 2**31, 2**62, -(2**63), 2**63 - 1]
COLUMNS = {
    "integers": lambda pick: [pick.choice(NUMBERS)],
    "lists of integers": lambda pick: [pick.choice(NUMBERS) for _ in range(pick.randint(1, 40))],
    "integers or none": lambda pick: [3] if pick.random() < 0.5 else "int64_list",
    "no integers": lambda pick: "int64_list",
    "floats": lambda pick: [pick.gauss(0, 1)],
    "lists of floats": lambda pick: [pick.random() for _ in range(pick.randint(1, 60))],
    "floats or none": lambda pick: [0.5] if pick.random() < 0.5 else "float_list",
    "texts": lambda pick: [pick.choice([b"", b"a", b"\xff\x00", "Größe".encode(), b"x" * 200])],
    "lists of texts": lambda pick: [pick.choice([b"", b"ab"]) for _ in range(pick.randint(1, 5))],
    "long texts": lambda pick: [b"x" * pick.randint(0, 3000)],
    "no texts": lambda pick: "bytes_list",
    "kind not set": lambda pick: None,
    "kind not always set": lambda pick: [1.0] if pick.random() < 0.5 else None,
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("count", [1, 50])
def test_every_kind_of_column(name, count):
    pick = random.Random(name)
    make = COLUMNS[name]
    assert_as_tfx_bsl([example(a=[1], b=make(pick), c=[b"end"]) for _ in range(count)])


def test_all_columns_with_long_names():
    pick = random.Random(0)
    names = {name: f"{name} {'ä' * 3 * number}" for number, name in enumerate(COLUMNS)}
    rows = [
        example(**{names[name]: make(pick) for name, make in COLUMNS.items()}) for _ in range(300)
    ]
    assert_as_tfx_bsl(rows)


def test_features_that_some_rows_have_not_got():
    rows = [
        example(**{name: [1] for name in "abcd" if row >> "abcd".index(name) & 1})
        for row in range(16)
    ]
    assert_as_tfx_bsl(rows, ["a", "b", "c", "d"])


def test_a_feature_that_no_row_has():
    assert_as_tfx_bsl([example(b=[1])] * 3, ["a", "b", "c"])


A, B = example(a=[1]), example(b=[1])


@pytest.mark.parametrize(
    "record",
    {
        "more features": example(a=[1], b=[2]),
        "another feature": B,
        "twice the same feature": A + A,
        "features in two parts": A + B,
        "another kind": example(a=[b"text"]),
        "another field": A + b"\x12\x00",
        "not packed": b"\x0a\x0b\x0a\x09\x0a\x01a\x12\x04\x1a\x02\x08\x01",
        "cut off": A[:-1],
        "a length that is too large": b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + A,
        "a length beyond the record": b"\x0a\x70" + A[2:],
        "no example": b"some text, nothing else",
        "an integer without end": A[:-1] + b"\x81",
        "value before key": b"\x0a\x0c\x0a\x0a\x12\x05\x1a\x03\x0a\x01\x01\x0a\x01a",
    }.items(),
    ids=lambda pair: pair[0],
)
def test_what_is_laid_out_otherwise_is_not_decoded(record):
    assert column_decoder.decode(block([A, record[1], A]), ["a"]) is None


def test_any_damage_is_noticed_or_harmless():
    pick = random.Random(5)
    whole = example(a=[1, 2**40], b=[0.5, 1.0], c=[b"text", b"more"])
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(pick.randint(1, 3)):
            damaged[pick.randrange(len(whole))] = pick.randrange(256)
        records = [whole, bytes(damaged)]
        if column_decoder.decode(block(records), ["a", "b", "c"]) is not None:
            assert_as_tfx_bsl(records, ["a", "b", "c"])


def test_layout():
    assert column_decoder.layout_of(example(b=[1], a=[2.0], ab=None)) == ["ab", "a", "b"]
    assert column_decoder.layout_of(b"") == []
    assert column_decoder.layout_of(b"no example") == []
