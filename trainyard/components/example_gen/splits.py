"""Which split a row belongs to: a hash decides, exactly as in stock TFX, or the order of the rows.

Source of the hash: `tfx/components/example_gen/base_example_gen_executor.py`, `_PartitionFn`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen import order
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.reader import Block
from trainyard.components.records import encoder
from trainyard.errors import DataError, RecipeError, nearest
from trainyard.recipe_schema import Data

_DIGITS = 8  # a SHA-256 digest in base 2^32
Buckets = npt.NDArray[np.int64]
Chooser = Callable[[Block, Sequence[bytes], int], tuple[Buckets, Buckets]]
"""Given rows, their records and the number of buckets: each row's bucket, shape `(n,)`, or the
first and the last if it reaches over several."""


class Splitter:
    """Assigns rows to splits.

    Args:
        names: All splits.
        buckets: How many buckets each of those has that these rows may fall into, in order.
        choose: Finds the bucket of a row.
    """

    def __init__(self, names: Sequence[str], buckets: Mapping[str, int], choose: Chooser) -> None:
        self.names = list(names)
        places = [self.names.index(name) for name in buckets]
        self._split_of_bucket = np.repeat(places, list(buckets.values()))
        self._choose = choose

    def assign(self, block: Block, records: Sequence[bytes]) -> npt.NDArray[np.int64]:
        """Returns the place in `names` of every row's split, shape `(n,)`.

        It is -1 for a row that reaches over the border of two splits.

        Args:
            block: The rows.
            records: The same rows as `encoder.encode` serialized them.

        Raises:
            RecipeError: There is no key column.
            DataError: The key column is neither integer nor text.
        """
        first, last = self._choose(block, records, len(self._split_of_bucket))
        split = self._split_of_bucket[first]
        return np.where(split == self._split_of_bucket[last], split, -1)


def chooser(data: Data, files: Sequence[Path], types: Mapping[str, ColumnType]) -> Chooser:
    """Returns what finds the bucket of a row, as the recipe wants it.

    Args:
        data: The recipe's data section.
        files: All files whose rows are divided among the same buckets.
        types: From `reader.columns`.

    Raises:
        DataError: The rows cannot be ordered.
    """
    if data.split.in_order:
        return order.chooser(data, files, types)
    return ByHash(data.key)


def check(data: Data, columns: Collection[str]) -> None:
    """Checks that the columns are there that rows are split by.

    Args:
        data: The recipe's data section.
        columns: The data's columns.

    Raises:
        RecipeError: One is not.
    """
    ordered = data.split.in_order
    named = {"data.key": data.key, "data.split.in_order": ordered}
    for where, name in named.items():
        if isinstance(name, str) and name not in columns:
            raise _no_column(name, where, columns)


def _no_column(name: str, where: str, columns: Collection[str]) -> RecipeError:
    return RecipeError(
        f"there is no column {name!r} to split by", where=where, hint=nearest(name, columns)
    )


class ByHash:
    """Finds buckets by a hash.

    Args:
        key: The column whose value decides, or None: the whole row does. Rows with a
            missing key have one key in common.
    """

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(
        self, block: Block, records: Sequence[bytes], count: int
    ) -> tuple[Buckets, Buckets]:
        """Returns every row's bucket; see `Chooser`."""
        hashed = records if self._key is None else self._keys(block.batch, self._key)
        digests = b"".join([hashlib.sha256(value).digest() for value in hashed])
        remainder = np.zeros(len(hashed), np.uint64)
        for digit in np.frombuffer(digests, ">u4").reshape(-1, _DIGITS).T:
            remainder = (remainder << np.uint64(32) | digit) % np.uint64(count)
        buckets = remainder.astype(np.int64)
        return buckets, buckets

    def _keys(self, batch: pa.RecordBatch, key: str) -> list[bytes]:
        if key not in batch.schema.names:
            raise _no_column(key, "data.key", batch.schema.names)
        column = batch.column(key)
        kind = column.type.value_type if pa.types.is_list(column.type) else column.type
        if pa.types.is_floating(kind):
            raise DataError(
                f"the rows cannot be split by column {key!r}: it holds fractional numbers",
                where="data.key",
                expected="integers or text",
                hint="choose another key, or give the column the type BYTES in a curated schema",
            )
        return encoder.each(pc.fill_null(encoder.features(column), b""))
