"""Splits are those of stock TFX."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import tensorflow as tf
from tfx.components.example_gen.base_example_gen_executor import _PartitionFn
from tfx.proto import example_gen_pb2

from trainyard.components.example_gen.reader import Block
from trainyard.components.example_gen.splits import ByHash, Splitter, values_of
from trainyard.components.records import encoder
from trainyard.errors import DataError, RecipeError

BATCH = pa.RecordBatch.from_pydict(
    {
        "id": pa.array([i % 50 for i in range(400)]),
        "name": pa.array([None if i % 7 == 0 else f"n{i % 30}" for i in range(400)]),
        "share": pa.array([i / 7 for i in range(400)]),
        "list": pa.array([[i % 40] for i in range(400)]),
    }
)
BLOCK = Block(BATCH, Path("f"), np.arange(1, 401), 1.0)
BUCKETS = {"train": 8, "eval": 1, "test": 2}


def assign(key: str | None, records: list[bytes]) -> npt.NDArray[np.int64]:
    choose = ByHash(None if key is None else partial(values_of, key))
    return Splitter(list(BUCKETS), BUCKETS, choose).assign(BLOCK, records)


@pytest.mark.parametrize("key", [None, "id", "name", "list"])
def test_partition_is_stocks(key):
    named = {} if key is None else {"partition_feature_name": key}
    config = example_gen_pb2.SplitConfig(**named)
    names, records = list(BUCKETS), encoder.each(encoder.encode(BATCH))
    assigned = [names[split] for split in assign(key, records)]
    expected = [
        names[_PartitionFn(tf.train.Example.FromString(record), 3, [8, 9, 11], config)]
        for record in records
    ]
    assert assigned == expected
    assert set(expected) == set(names)


def test_equal_keys_share_a_split():
    splits: dict[object, set[int]] = {}
    assigned = assign("id", encoder.each(encoder.encode(BATCH)))
    for split, key in zip(assigned.tolist(), BATCH.column("id").to_pylist(), strict=True):
        splits.setdefault(key, set()).add(split)
    assert all(len(names) == 1 for names in splits.values())


def test_a_key_that_is_not_there():
    with pytest.raises(RecipeError, match="did you mean 'name'"):
        assign("nam", [])


def test_a_fractional_key():
    with pytest.raises(DataError, match="fractional"):
        assign("share", [])
