"""Which split a row belongs to: a hash of its fields decides, or the order of the rows.

The hash is that of `identity`: files that come later do not move a row that stood. Stock TFX hashes
the row as it is serialized, so that a column which becomes one of floats moves all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainyard.components.example_gen import order, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.groups import Groups, key_values
from trainyard.components.example_gen.identity import Hashes
from trainyard.components.example_gen.reader import Block
from trainyard.components.example_gen.stratify import Stratified
from trainyard.errors import RecipeError, nearest_column
from trainyard.recipe_schema import Data, Label

Buckets = npt.NDArray[np.int64]
Chooser = Callable[[Block, Hashes, int], tuple[Buckets, Buckets]]
"""Given rows, their identities and the number of buckets: each row's bucket, shape `(n,)`, or the
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

    def assign(self, block: Block, identities: Hashes) -> npt.NDArray[np.int64]:
        """Returns the place in `names` of every row's split, shape `(n,)`.

        It is -1 for a row that reaches over the border of two splits.

        Args:
            block: The rows.
            identities: Their hashes, from `identity.rows`.

        Raises:
            RecipeError: There is no key column.
        """
        first, last = self._choose(block, identities, len(self._split_of_bucket))
        split = self._split_of_bucket[first]
        return np.where(split == self._split_of_bucket[last], split, -1)


def chooser(
    data: Data,
    files: Sequence[Path],
    types: Mapping[str, ColumnType],
    labels: Mapping[str, Label],
    buckets: Mapping[str, int],
) -> Chooser:
    """Returns what finds the bucket of a row, as the recipe wants it.

    Args:
        data: The recipe's data section.
        files: All files whose rows are divided among the same buckets.
        types: From `reader.columns`.
        labels: The recipe's labels, by their keys in it.
        buckets: How many each split has that these rows may fall into.

    Raises:
        DataError: The rows cannot be ordered.
    """
    if data.split.in_order:
        return order.chooser(data, files, types)
    if data.split.stratify:
        return Stratified(data, labels, reader.blocks(data, files, types), [*buckets.values()])
    if data.key is None:
        return by_identity
    if isinstance(data.key, tuple):
        return ByKey(Groups(data, reader.blocks(data, files, types)).of)
    key = data.key
    return ByKey(lambda block: key_values(data, key, block))


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
        f"there is no column {name!r} to split by", where=where, hint=nearest_column(name, columns)
    )


def by_identity(block: Block, identities: Hashes, count: int) -> tuple[Buckets, Buckets]:
    """Finds buckets by the rows themselves; see `Chooser`."""
    del block
    buckets = (identities % np.uint64(count)).astype(np.int64)
    return buckets, buckets


class ByKey:
    """Finds buckets by what rows have in common.

    Args:
        keys: Returns the hash that decides of every row.
    """

    def __init__(self, keys: Callable[[Block], Hashes]) -> None:
        self._keys = keys

    def __call__(self, block: Block, identities: Hashes, count: int) -> tuple[Buckets, Buckets]:
        """Returns every row's bucket; see `Chooser`."""
        del identities
        return by_identity(block, self._keys(block), count)
