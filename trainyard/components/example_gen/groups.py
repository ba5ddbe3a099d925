"""Rows that share a value in any of several columns, and what these share in turn: a group.

A value is the same in whichever of the columns it stands, so that of two
sentences in a row neither is on the other side of a row in another split. The
groups are the connected components of the graph whose edges are the rows;
memory is eight bytes for each value of each row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trainyard.components.example_gen import computed
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError

_MISSING = 0  # stands for every missing value, and connects nothing


class Groups:
    """The groups of all rows.

    Args:
        columns: The columns.
        blocks: All rows.

    Raises:
        DataError: A column holds fractional numbers.
    """

    def __init__(self, columns: Sequence[str], blocks: Iterable[Block]) -> None:
        self._columns = columns
        rows = np.concatenate([self._hashes(block) for block in blocks])
        self._values, places = np.unique(rows, return_inverse=True)
        self._first = _first_of_each_group(places.reshape(rows.shape), self._values == _MISSING)

    def of(self, block: Block) -> list[bytes]:
        """Returns what the rows of a group have in common, and no others.

        Args:
            block: Some of the rows. Those without any value are one group.
        """
        known = self._hashes(block).max(axis=1)  # any value leads to the group
        places = self._first[np.searchsorted(self._values, known)]
        return [value.tobytes() for value in self._values[places]]

    def _hashes(self, block: Block) -> npt.NDArray[np.uint64]:
        """Every value as a number, shape `(n, columns)`."""
        values = [computed.single(block, name, "the key") for name in self._columns]
        for name, column in zip(self._columns, values, strict=True):
            if pa.types.is_floating(column.type):
                raise fractional_key(name)
        return np.stack([_hashed(column) for column in values], axis=1)


def fractional_key(column: str) -> DataError:
    """Returns the error for a key that is no integer and no text.

    Args:
        column: Its name.
    """
    return DataError(
        f"the rows cannot be split by column {column!r}: it holds fractional numbers",
        where="data.key",
        expected="integers or text",
        hint="choose another key, or give the column the type BYTES in a curated schema",
    )


def _first_of_each_group(
    rows: npt.NDArray[np.int64], missing: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """For every value, the first of its group.

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
    _, first = np.unique(groups, return_index=True)
    return np.asarray(first[groups], np.int64)


def _hashed(column: pa.Array) -> npt.NDArray[np.uint64]:
    """The values as 64 bits of their SHA-256, the same in every run; 0 where missing."""
    encoded = column.dictionary_encode()
    hashes = [_MISSING, *map(_hash, encoded.dictionary.to_pylist())]
    places = np.asarray(encoded.indices.fill_null(-1)) + 1
    found: npt.NDArray[np.uint64] = np.array(hashes, np.uint64)[places]
    return found


def _hash(value: int | str | bytes) -> int:
    raw = value if isinstance(value, bytes) else str(value).encode()
    return int.from_bytes(hashlib.sha256(raw).digest()[:8]) or 1
