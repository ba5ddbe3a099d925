"""Rows that share a value in any of several columns, and what these share in turn: a group.

A value is the same in whichever of the columns it stands, so that of two
sentences in a row neither is on the other side of a row in another split. The
groups are the connected components of the graph whose edges are the rows;
memory is eight bytes for each value of each row.

What decides of a group is its first row, so that rows that come later join it where it is. Only a
row that links two groups moves one: that which began later.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from trainyard.components.example_gen import identity
from trainyard.components.example_gen.identity import MISSING, Hashes
from trainyard.components.example_gen.reader import Block
from trainyard.errors import RecipeError, nearest_column
from trainyard.recipe_schema import Data


class Groups:
    """The groups of all rows.

    Args:
        data: The recipe's data section; its `key` are the columns.
        blocks: All rows, in their order.

    Raises:
        RecipeError: There is no such column.
    """

    def __init__(self, data: Data, blocks: Iterable[Block]) -> None:
        self._data = data
        rows = np.concatenate([self._hashes(block) for block in blocks])
        self._values, places = np.unique(rows, return_inverse=True)
        known = rows.max(axis=1)
        groups = _groups(places.reshape(rows.shape), self._values == MISSING)
        of_rows = groups[np.searchsorted(self._values, known)]
        found, first = np.unique(of_rows, return_index=True)
        deciding = np.zeros(groups.max() + 1, np.uint64)
        deciding[found] = known[first]
        self._deciding = deciding[groups]

    def of(self, block: Block) -> Hashes:
        """Returns what the rows of a group have in common, and no others, `(n,)`.

        Args:
            block: Some of the rows. Those without any value are one group.
        """
        known = self._hashes(block).max(axis=1)  # any value leads to the group
        return np.asarray(self._deciding[np.searchsorted(self._values, known)], np.uint64)

    def _hashes(self, block: Block) -> Hashes:
        """Every value as a number, shape `(n, columns)`."""
        return np.stack([key_values(self._data, name, block) for name in self._data.keys], axis=1)


def key_values(data: Data, key: str, block: Block) -> Hashes:
    """Returns the hash of every value of a key column, `(n,)`; 0 where it is missing.

    Args:
        data: The recipe's data section.
        key: The column.
        block: The rows.

    Raises:
        RecipeError: There is no such column.
    """
    fields, name = block.raw, data.columns.get(key, key)
    if fields is None:
        fields, name = block.batch, key
    if name not in fields.schema.names:
        raise RecipeError(
            f"there is no column {key!r} to split by",
            where="data.key",
            hint=nearest_column(key, block.batch.schema.names),
        )
    return identity.values(fields.column(name))


def _groups(rows: npt.NDArray[np.int64], missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For every value the number of its group.

    Args:
        rows: Values that are connected, shape `(n, columns)`.
        missing: Which values connect nothing, shape `(values,)`.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one = np.repeat(rows.max(axis=1), rows.shape[1])  # not missing, if any is not
    other = rows.reshape(-1)
    connects = ~missing[other]
    edges = (np.ones(connects.sum(), bool), (one[connects], other[connects]))
    _, groups = connected_components(coo_array(edges, shape=(len(missing),) * 2), directed=False)
    return np.asarray(groups, np.int64)
