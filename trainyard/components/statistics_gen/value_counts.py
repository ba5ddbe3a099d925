"""Counts every distinct value of a column exactly, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_PARTS = 64
_MOST_BYTES = 32 << 20
_FEWEST_PENDING = 1 << 14


class ValueCounts:
    """How often each value occurs.

    What is too large for memory is divided by a hash of the value into files, so
    that all counts of one value are in one file, and each file is small.

    Args:
        most_bytes: How much to keep in memory.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._tables: list[pa.Table] = []
        self._pending = self._settled = 0
        self._spilled: _Spilled | None = None

    def add(self, values: pa.Array) -> None:
        """Counts values.

        Args:
            values: Integers or bytes, none missing.
        """
        counted = values.value_counts()
        self._append(pa.table([counted.field("values"), counted.field("counts")], _COLUMNS))

    def merge(self, other: ValueCounts) -> None:
        """Adds the counts of another.

        Args:
            other: Not to be used afterwards.
        """
        for table in other._parts():
            self._append(table)

    def most_frequent(self, count: int) -> tuple[int, list[tuple[Any, int]]]:
        """Returns how many distinct values there are, and the most frequent.

        Args:
            count: How many to return. Of equally frequent ones the larger value
                comes first, as in TFDV.

        Returns:
            The number of distinct values; values with their counts.
        """
        distinct, best = 0, None
        for table in self._parts():
            distinct += len(table)
            best = _largest(table if best is None else pa.concat_tables([best, table]), count)
        if best is None:
            return 0, []
        values, counts = best["value"].to_pylist(), best["count"].to_pylist()
        return distinct, list(zip(values, counts, strict=True))

    def _append(self, table: pa.Table) -> None:
        if not len(table):
            return
        self._tables.append(table)
        self._pending += len(table)
        if self._pending > max(_FEWEST_PENDING, self._settled):
            self._settle()

    def _settle(self) -> None:
        self._tables = [_summed(self._tables)]
        self._pending, self._settled = 0, len(self._tables[0])
        if self._tables[0].nbytes > self._most_bytes:
            self._spilled = self._spilled or _Spilled()
            self._spilled.append(self._tables.pop())
            self._settled = 0

    def _parts(self) -> Iterator[pa.Table]:
        """Yields tables that have no value in common."""
        if self._spilled is None:
            if self._tables:
                yield _summed(self._tables)
            return
        for table in self._tables:
            self._spilled.append(table)
        self._tables = []
        yield from self._spilled.parts()


_COLUMNS = ["value", "count"]


class _Spilled:
    """Counts in files, one a share of the values."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="value_counts_")
        self._files = [Path(self._folder.name) / f"{part}.arrow" for part in range(_PARTS)]
        self._open = ExitStack()
        self._writers: list[Any] = []

    def append(self, table: pa.Table) -> None:
        """Divides a table among the files."""
        if not self._writers:
            self._writers = [
                self._open.enter_context(pa.ipc.new_stream(str(file), table.schema))
                for file in self._files
            ]
        part = _part(table["value"])
        order = np.argsort(part, kind="stable")
        sizes = np.bincount(part, minlength=_PARTS)
        ordered, start = table.take(pa.array(order)), 0
        for writer, size in zip(self._writers, sizes.tolist(), strict=True):
            writer.write_table(ordered.slice(start, size))
            start += size

    def parts(self) -> Iterator[pa.Table]:
        """Yields the sums of each file."""
        self._open.close()
        for file in self._files:
            with pa.ipc.open_stream(str(file)) as reader:
                if len(table := reader.read_all()):
                    yield _grouped(table)
        self._folder.cleanup()


def _part(values: pa.ChunkedArray) -> Any:
    from pandas.util import hash_array

    hashes = hash_array(values.to_numpy(), categorize=False)
    return (hashes % np.uint64(_PARTS)).astype(np.int64)


def _summed(tables: list[pa.Table]) -> pa.Table:
    """Joins tables each of which has every value once."""
    return _grouped(pa.concat_tables(tables)) if len(tables) > 1 else tables[0]


def _grouped(table: pa.Table) -> pa.Table:
    sums = table.group_by("value").aggregate([("count", "sum")])
    return pa.table([sums["value"], sums["count_sum"]], _COLUMNS)


def _largest(table: pa.Table, count: int) -> pa.Table:
    keys = [("count", "descending"), ("value", "descending")]
    return table.take(pc.select_k_unstable(table, k=min(count, len(table)), sort_keys=keys))
