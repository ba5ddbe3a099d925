"""Which split a row belongs to: a hash decides, exactly as in stock TFX, or the order of the rows.

Source of the hash: `tfx/components/example_gen/base_example_gen_executor.py`, `_PartitionFn`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen import order, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.groups import Groups, fractional_key
from trainyard.components.example_gen.reader import Block
from trainyard.components.records import encoder
from trainyard.errors import RecipeError, nearest
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
    if isinstance(data.key, tuple):
        return ByHash(Groups(data.key, reader.blocks(data, files, types)).of)
    return ByHash(None if data.key is None else partial(values_of, data.key))


def check(data: Data, columns: Collection[str]) -> None:
    """Checks that the columns are there that rows are split by.

    Args:
        data: The recipe's data section.
        columns: The data's columns.

    Raises:
        RecipeError: One is not.
    """
    named = [("data.key", name) for name in data.keys]
    if isinstance(data.split.in_order, str):
        named.append(("data.split.in_order", data.split.in_order))
    for where, name in named:
        if name not in columns:
            raise _no_column(name, where, columns)


def _no_column(name: str, where: str, columns: Collection[str]) -> RecipeError:
    return RecipeError(
        f"there is no column {name!r} to split by", where=where, hint=nearest(name, columns)
    )


class ByHash:
    """Finds buckets by a hash.

    Args:
        keys: Returns what decides of every row; None if the whole row does.
    """

    def __init__(self, keys: Callable[[Block], Sequence[bytes]] | None) -> None:
        self._keys = keys

    def __call__(
        self, block: Block, records: Sequence[bytes], count: int
    ) -> tuple[Buckets, Buckets]:
        """Returns every row's bucket; see `Chooser`."""
        hashed = self._keys(block) if self._keys else records
        digests = b"".join([hashlib.sha256(value).digest() for value in hashed])
        remainder = np.zeros(len(hashed), np.uint64)
        for digit in np.frombuffer(digests, ">u4").reshape(-1, _DIGITS).T:
            remainder = (remainder << np.uint64(32) | digit) % np.uint64(count)
        buckets = remainder.astype(np.int64)
        return buckets, buckets


def values_of(key: str, block: Block) -> list[bytes]:
    """Returns the values of a column; rows where it is missing have one in common.

    Args:
        key: The column.
        block: The rows.

    Raises:
        RecipeError: There is no such column.
        DataError: It is neither integer nor text.
    """
    if key not in block.batch.schema.names:
        raise _no_column(key, "data.key", block.batch.schema.names)
    column = block.batch.column(key)
    kind = column.type.value_type if pa.types.is_list(column.type) else column.type
    if pa.types.is_floating(kind):
        raise fractional_key(key)
    return encoder.each(pc.fill_null(encoder.features(column), b""))
