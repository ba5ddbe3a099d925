"""Splits in order: what comes first is trained on, what comes last is judged on.

The order is that of the rows in their file, or that of a column, such as time.
Either is known only after a first reading of all rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen import computed, instants, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.identity import Hashes
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError
from trainyard.recipe_schema import Data

_KEY = "data.split.in_order"
_NUMBER, _ZONED, _UNZONED = "a number", "a time with its zone", "a time without a zone"
Places = npt.NDArray[np.int64]


def chooser(
    data: Data, files: Sequence[Path], types: Mapping[str, ColumnType]
) -> ByPlace | ByColumn:
    """Reads all rows, and returns what finds their buckets; see `splits.Chooser`.

    Args:
        data: The recipe's data section.
        files: All files whose rows are divided among the same buckets.
        types: From `reader.columns`.

    Raises:
        DataError: A row has no place in the order.
    """
    blocks = reader.blocks(data, files, types)
    if isinstance(data.split.in_order, str):
        return ByColumn(data.split.in_order, blocks)
    return ByPlace(data, blocks)


class ByPlace:
    """Finds buckets by the rows' places in their file.

    Args:
        data: The recipe's data section.
        blocks: All rows.
    """

    def __init__(self, data: Data, blocks: Iterable[Block]) -> None:
        self._data = data
        self._ends: dict[Path, int] = {}
        for block in blocks:
            if len(block.batch):
                end = int(self._reach(block)[1].max()) + 1
                self._ends[block.file] = max(end, self._ends.get(block.file, 0))

    def __call__(self, block: Block, identities: Hashes, count: int) -> tuple[Places, Places]:
        """Returns the buckets of every row's first and last place."""
        del identities
        first, last = self._reach(block)
        end = self._ends.get(block.file, 1)
        return first * count // end, last * count // end

    def _reach(self, block: Block) -> tuple[Places, Places]:
        if self._data.reach is None:
            return block.numbers - 1, block.numbers - 1
        column, places = self._data.reach
        first = np.asarray(block.batch.column(column))
        return first, first + places - 1


class ByColumn:
    """Finds buckets by the rows' places in the order of a column; equal values share one.

    Times are compared as instants, numbers as numbers. What a clock says that names no zone is
    taken as it stands: of an hour that there is twice, when clocks are set back, nobody can tell.
    Memory grows with the number of different values.

    Args:
        column: An integer, a number, or a date or time in ISO 8601.
        blocks: All rows.

    Raises:
        DataError: A value is missing, is neither, or is no value of the same kind as others.
    """

    def __init__(self, column: str, blocks: Iterable[Block]) -> None:
        self._column = column
        self._kind = self._other = ""
        counted = [pc.value_counts(self._values(block)) for block in blocks if len(block.batch)]
        table = pa.concat_tables(
            pa.table({"value": each.field(0), "rows": each.field(1)}) for each in counted
        )
        table = table.group_by("value").aggregate([("rows", "sum")]).sort_by("value")
        self._sorted = table["value"].combine_chunks()
        rows = np.asarray(table["rows_sum"])
        self._end = int(rows.sum())
        self._first = np.cumsum(rows) - rows

    def __call__(self, block: Block, identities: Hashes, count: int) -> tuple[Places, Places]:
        """Returns every row's bucket, twice."""
        del identities
        place = np.asarray(pc.index_in(self._values(block), value_set=self._sorted))
        buckets = self._first[place] * count // self._end
        return buckets, buckets

    def _values(self, block: Block) -> pa.Array:
        values = computed.single(block, self._column, "the order")
        missing = np.asarray(values.is_null())
        if missing.any():
            raise _no_place(self._column, block, missing, "a missing value")
        if pa.types.is_binary(values.type):  # text of tf.Examples
            values = values.cast(pa.string())
        found, kinds = _comparable(values)
        self._note(block, values, kinds)
        others = np.array([kind != self._kind or not kind for kind in kinds])
        if others.any() or found is None:
            place = int(np.argmax(others))
            received = f"{values[place].as_py()!r}: {kinds[place] or 'none of these'}"
            raise _no_place(self._column, block, others, f"{received}{self._other}")
        return found

    def _note(self, block: Block, values: pa.Array, kinds: Sequence[str]) -> None:
        """Remembers the first value that has a place: others have to be like it."""
        row = next((row for row, kind in enumerate(kinds) if kind), None)
        if not self._kind and row is not None:
            self._kind = kinds[row]
            self._other = f"; {values[row].as_py()!r} ({block.row(row)}) is {self._kind}"


def _comparable(values: pa.Array) -> tuple[pa.Array | None, list[str]]:
    """Numbers in the order of the values, and the kind of each value; empty if it has none.

    Either all values are of one kind, and then it is told but once, or there are no numbers.
    """
    if not pa.types.is_string(values.type):
        return values, [_NUMBER]
    if times := instants.parsed(values):
        return pa.array(times.utc), [_ZONED if times.zoned else _UNZONED]
    try:
        return values.cast(pa.float64()), [_NUMBER]
    except pa.ArrowInvalid:
        each = [values[row : row + 1] for row in range(len(values))]
        return None, [_comparable(one)[1][0] if len(values) > 1 else "" for one in each]


def _no_place(column: str, block: Block, rows: npt.NDArray[np.bool_], received: str) -> DataError:
    return DataError(
        f"the row has no place in the order of column {column!r}",
        where=f"{block.row(int(np.argmax(rows)))} ({_KEY})",
        expected="a number, or a date or time such as 1981-01-31 or 1981-01-31T12:00:00",
        received=received,
        hint="write all values in one of these ways, or take the row out of the file; a date such "
        "as 03/04/2023 is not read, because nothing says whether the day or the month comes first: "
        "write it as 2023-04-03",
    )
