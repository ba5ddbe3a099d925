"""Which rows belong to which slice, as TFMA forms its slices, column-wise.

An example is in one slice for each different value of a column, in none where
the column is missing, and for several columns in one for each combination. A
value is its `raw_values.stored_text`: one slice for `30`, `30.0` and "30", and 0.1 as a
recipe writes it. NaN is a missing value.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from trainyard.errors import DataError
from trainyard.raw_values import stored_text

SliceKey = tuple[tuple[str, str], ...]
Rows = NDArray[np.int64] | slice

ALL_ROWS = slice(None)
TYPES = {schema_pb2.INT: tf.int64, schema_pb2.FLOAT: tf.float32, schema_pb2.BYTES: tf.string}
"""How the values of a feature are parsed, by its type in the schema."""


class Slicer:
    """Finds the slices of batches of serialized examples.

    Args:
        specs: Sets of columns; the empty one means all rows.
        schema: Types of the features. Columns that it has not got make no slice.
    """

    def __init__(self, specs: Sequence[Sequence[str]], schema: schema_pb2.Schema) -> None:
        self._specs = list(dict.fromkeys(tuple(sorted(set(spec))) for spec in specs))
        sliced = {column for spec in self._specs for column in spec}
        self._features = {
            feature.name: tf.io.VarLenFeature(TYPES[feature.type])
            for feature in schema.feature
            if feature.name in sliced
        }

    def slices(self, examples: Sequence[bytes]) -> Iterator[tuple[SliceKey, Rows]]:
        """Yields the slices there are, each with the positions of its rows.

        Args:
            examples: Serialized tf.Examples with raw features.

        Raises:
            DataError: A value is not UTF-8.
        """
        columns = self._columns(examples)
        for spec in self._specs:
            if not spec:
                yield (), ALL_ROWS
            elif all(column in columns for column in spec):
                yield from _of_columns(spec, [columns[column] for column in spec])

    def _columns(self, examples: Sequence[bytes]) -> dict[str, tuple[pd.DataFrame, list[str]]]:
        if not self._features:
            return {}
        parsed = tf.io.parse_example(tf.constant(examples), self._features)
        return {name: _distinct(name, sparse) for name, sparse in parsed.items()}


def as_texts(key: Sequence[tuple[str, Any]]) -> SliceKey | None:
    """Writes a slice's values as texts; None if one of them is missing.

    Args:
        key: Columns and their values. A float is one of an example, which has 32 bits.
    """
    if any(value != value for _, value in key):
        return None
    return tuple((column, stored_text(value)) for column, value in key)


def _distinct(name: str, sparse: tf.SparseTensor) -> tuple[pd.DataFrame, list[str]]:
    """The different values of each row as `row` and `name`, a position in the list of values."""
    codes, known = pd.factorize(sparse.values.numpy())
    frame = pd.DataFrame({"row": sparse.indices.numpy()[:, 0], name: codes})[codes >= 0]
    return frame.drop_duplicates(), [_text(name, value) for value in known.tolist()]


def _text(name: str, value: Any) -> str:
    try:
        return stored_text(value.decode() if isinstance(value, bytes) else value)
    except UnicodeDecodeError:
        raise DataError(
            f"the column {name!r} cannot be sliced: a value is not UTF-8",
            received=repr(value[:40]),
            hint="leave it out of evaluation.slices, or state the right data.encoding",
        ) from None


def _of_columns(
    spec: Sequence[str], columns: Sequence[tuple[pd.DataFrame, list[str]]]
) -> Iterator[tuple[SliceKey, Rows]]:
    frames = [frame for frame, _ in columns]
    joined = functools.reduce(lambda left, right: left.merge(right, on="row"), frames)
    for codes, rows in joined.groupby(list(spec), sort=False).indices.items():
        codes = codes if len(spec) > 1 else (codes,)
        values = [known[code] for code, (_, known) in zip(codes, columns, strict=True)]
        yield tuple(zip(spec, values, strict=True)), joined["row"].to_numpy()[rows]
