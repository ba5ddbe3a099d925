"""The encoder's bytes are those of TensorFlow's own serialization."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from google.protobuf.message import Message

from trainyard.components.records import encoder


def reference(batch: pa.RecordBatch) -> list[bytes]:
    """Serializes row by row with protocol buffer messages."""
    names = {pa.int64(): "int64_list", pa.float64(): "float_list"}
    result = []
    for row in batch.to_pylist():
        example = tf.train.Example()
        for name, value in row.items():
            column = batch.schema.field(name).type
            is_list = pa.types.is_list(column)
            if is_list and value is None:
                continue
            feature: Message = example.features.feature[name]
            if pa.types.is_null(column):
                continue
            kind = column.value_type if is_list else column
            target = getattr(feature, names.get(kind, "bytes_list"))
            target.SetInParent()
            values = value if is_list else [] if value is None else [value]
            target.value.extend(v.encode() if isinstance(v, str) else v for v in values)
        result.append(example.SerializeToString(deterministic=True))
    return result


def random_column(kind: str, rows: int, random: np.random.Generator) -> pa.Array:
    values = {
        "int": lambda n: random.integers(-(2**63), 2**63 - 1, n) >> random.integers(0, 63, n),
        "float": lambda n: random.normal(size=n) * 10.0 ** random.integers(-40, 38, n),
        "text": lambda n: [
            "é\n" * k + "x" * random.integers(0, 300) for k in random.integers(0, 5, n)
        ],
    }
    arrow = {"int": pa.int64(), "float": pa.float64(), "text": pa.string()}
    if kind == "null":
        return pa.nulls(rows)
    if kind.endswith("s"):
        each = values[kind[:-1]]
        lists = [
            None if random.random() < 0.2 else list(each(random.integers(0, 200)))
            for _ in range(rows)
        ]
        return pa.array(lists, pa.list_(arrow[kind[:-1]]))
    return pa.array(list(values[kind](rows)), arrow[kind], mask=random.random(rows) < 0.3)


@pytest.mark.parametrize("seed", range(8))
def test_bytes_are_those_of_protocol_buffers(seed):
    random = np.random.default_rng(seed)
    kinds = ["int", "float", "text", "ints", "floats", "texts", "null"]
    columns = {
        f"{'ä' * int(random.integers(0, 3))}{random.integers(0, 10**6)}{kind}": random_column(
            kind, 40, random
        )
        for kind in [*kinds, *kinds]
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    assert encoder.encode(batch).to_pylist() == reference(batch)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)])
def test_integers_at_the_edges(number):
    batch = pa.RecordBatch.from_pydict({"a": pa.array([number, None])})
    assert encoder.encode(batch).to_pylist() == reference(batch)


def test_binary_and_a_sliced_batch():
    batch = pa.RecordBatch.from_pydict(
        {"b": pa.array([b"\xff", b"", None, b"z"]), "l": pa.array([[1], [2, 3], None, []])}
    )
    assert encoder.encode(batch.slice(1, 3)).to_pylist() == reference(batch)[1:]


def test_no_columns_and_no_rows():
    empty = pa.RecordBatch.from_pydict({"a": pa.array([], pa.int64())})
    assert encoder.encode(empty).to_pylist() == []


def test_a_thousand_columns():
    batch = pa.RecordBatch.from_pydict({f"c{i}": pa.array([i, None]) for i in range(1000)})
    assert encoder.encode(batch).to_pylist() == reference(batch)
