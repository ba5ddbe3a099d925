"""Rows that follow one another in time: each gets the values before its own, as a list.

What is kept of a series from block to block are its last values only, so that
memory does not depend on its length. Rows that have too few before them get
none; `left_out` counts them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import Tick

from trainyard.components.example_gen import instants
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.errors import DataError, RecipeError, nearest_column
from trainyard.recipe_schema import Data, Series

if TYPE_CHECKING:
    from trainyard.components.example_gen.reader import Block

_VALUES = 1 << 20
"""Of the lists of a block, at most: each value stands in as many lists as are long."""

_CLOCKS = "if clocks were set back here, write times with their zone (2024-10-27T02:30+02:00)"

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class _End(NamedTuple):
    """Where a series has come to: the time of its last row, and its last values."""

    time: pd.DatetimeIndex
    values: Numbers


def columns(data: Data, types: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """Returns the columns that rows have with the values before them.

    Args:
        data: The recipe's data section.
        types: Of the columns in the files.

    Raises:
        RecipeError: A column is not there, holds no numbers, or its name is taken.
    """
    series = data.series
    if series is None:
        return dict(types)
    for key in ("time", "value", "group"):
        name = getattr(series, key)
        if name is not None and name not in types:
            raise RecipeError(
                f"there is no column {name!r} in the data",
                where=f"data.series.{key}",
                hint=nearest_column(name, types),
            )
    if types[series.value] not in (ColumnType.INTEGER, ColumnType.FLOAT):
        raise RecipeError(
            f"the values of the series, {series.value!r}, are no numbers",
            where="data.series.value",
            expected="a column of numbers",
            received=types[series.value].name.lower(),
            hint="look for entries that are none; `data.missing` says what stands for no value",
        )
    if series.column in types:
        raise RecipeError(
            f"the series brings a column {series.column!r}, but the data have one of that name",
            where="data.series.column",
            hint="rename it in `data.columns`, or give the series another name",
        )
    written_anew = {series.time: ColumnType.TEXT} if series.time_format else {}
    return {**types, **written_anew, series.column: ColumnType.FLOAT}


def blocks(data: Data, rows: Iterable[Block]) -> Iterator[Block]:
    """Gives each row the values before it.

    Args:
        data: The recipe's data section.
        rows: The rows as they stand in the files.

    Yields:
        Blocks with a column of lists of `past` float64, the oldest first; null in a row that
        has fewer before it. Times are ISO 8601, whatever they were in the file.

    Raises:
        DataError: A time or a value is missing, is no time, comes twice or too early.
    """
    if data.series is None:
        yield from rows
        return
    reader = Reader(data.series)
    for block in rows:
        for part in portions(data.series, block):
            yield _with_past(data.series, part, reader)


def portions(series: Series, block: Block) -> Iterator[Block]:
    """Divides a block so that the lists of each part fit in memory, however long they are.

    Args:
        series: The recipe's series section.
        block: The rows.
    """
    return block.cut(range(0, max(1, len(block.batch)), max(1, _VALUES // series.past)))


def _with_past(series: Series, block: Block, reader: Reader) -> Block:
    times = times_of(series, block)
    columns = dict(zip(block.batch.schema.names, block.batch.columns, strict=True))
    columns[series.column] = reader.past(block, times, columns[series.value].cast(pa.float64()))
    if series.time_format:
        columns[series.time] = pa.array([_shown(time) for time in times], pa.string())
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    return dataclasses.replace(block, batch=batch)


class Reader:
    """Reads rows in their order, and knows where each series has come to.

    Args:
        series: The recipe's series section.
    """

    def __init__(self, series: Series) -> None:
        self._series = series
        self._ends: dict[Any, _End] = {}
        self._file: Path | None = None

    def past(self, block: Block, times: pd.DatetimeIndex, values: pa.Array) -> pa.Array:
        """Returns the values before each row.

        Args:
            block: The rows.
            times: When each was, `(n,)`.
            values: What was measured, float64 `(n,)`, null where missing.

        Returns:
            Lists of `past` float64, `(n,)`; null where there are fewer.

        Raises:
            DataError: A row is not where it should be, or has no value.
        """
        if block.file != self._file:
            self._ends, self._file = {}, block.file
        numbers = values.to_numpy(zero_copy_only=False)
        past = np.zeros((len(times), self._series.past))
        enough = np.zeros(len(times), bool)
        for group, rows in _groups(self._series, block.batch):
            run = _Run(self._series, block, rows, times[rows], numbers[rows])
            past[rows], enough[rows], self._ends[group] = run.past(self._ends.get(group))
        return _lists(past, enough)


def _lists(past: Numbers, enough: Flags) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(enough)]) * past.shape[1]
    mask = np.append(~enough, False)
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32(), mask=mask), pa.array(past[enough].ravel())
    )


def _groups(series: Series, batch: pa.RecordBatch) -> Iterator[tuple[Any, npt.NDArray[np.int64]]]:
    """The rows of each series that has any."""
    if series.group is None:
        yield from [(None, np.arange(len(batch)))] if len(batch) else []
        return
    encoded = batch.column(series.group).dictionary_encode("encode")
    codes = encoded.indices.to_numpy()
    for code, group in enumerate(encoded.dictionary.to_pylist()):
        yield group, np.flatnonzero(codes == code)


class _Run(NamedTuple):
    """Rows of one series that follow one another in a block."""

    series: Series
    block: Block
    rows: npt.NDArray[np.int64]
    times: pd.DatetimeIndex
    values: Numbers

    def past(self, end: _End | None) -> tuple[Numbers, Flags, _End]:
        """Finds the values before each row.

        Args:
            end: Where the series had come to, if it did not begin here.

        Returns:
            `(n, past)`, whether these are all there, `(n,)`, and where the series comes to.
        """
        self._check_values()
        length, size = self.series.past, len(self.values)
        end = end or _End(self.times[:0], self.values[:0])
        values = np.concatenate([end.values, self.values])
        begins = np.zeros(len(values), bool)
        begins[len(end.values) :] = self._gaps(end.time)
        begins[1:] |= np.isnan(values[:-1])  # nothing can be known beyond a missing value
        places = np.arange(len(values))
        first = np.maximum.accumulate(np.where(begins, places, 0))
        enough = (places - first >= length)[-size:]
        windows = np.zeros((size, length))
        if enough.any():
            before = np.lib.stride_tricks.sliding_window_view(values, length)
            windows[enough] = before[places[-size:][enough] - length]
        kept = values[max(int(first[-1]), len(values) - length) :]
        return windows, enough, _End(self.times[-1:], kept)

    def _check_values(self) -> None:
        missing = np.isnan(self.values)
        if missing.any() and self.series.on_gap == "error":
            row = int(np.argmax(missing))
            raise self._error(row, "the row has no value", "no value", "fill it in")

    def _gaps(self, last: pd.DatetimeIndex) -> Flags:
        """Says which rows do not follow the one before, `(n,)`.

        Args:
            last: The time of the row before the first; empty if there is none.
        """
        times = last.append(self.times)
        expected = times[:-1] + to_offset(self.series.every)
        wrong = times[1:] < expected
        if self.series.on_gap == "error":
            wrong = times[1:] != expected
        if wrong.any():
            raise self._misplaced(int(np.argmax(wrong)) + 1 - len(last), times, len(last))
        return np.concatenate([[False] * (1 - len(last)), times[1:] != expected])

    def _misplaced(self, row: int, times: pd.DatetimeIndex, before: int) -> DataError:
        earlier, time = times[row + before - 1], times[row + before]
        step = to_offset(self.series.every)
        received = f"{_shown(time)} after {_shown(earlier)}"
        if time == earlier:
            return self._error(
                row,
                "the time comes twice",
                received,
                f"keep one of the two rows; {_CLOCKS}",
            )
        if time < earlier:
            return self._error(
                row,
                "the time is before that of the row before",
                received,
                "sort the rows by time; if they are of several series, name `data.series.group`; "
                f"{_CLOCKS}",
            )
        if time < earlier + step:
            return self._error(
                row, "the time comes too early", received, "correct it, or `data.series.every`"
            )
        return self._error(
            row, f"the series has a gap: no row for {_shown(earlier + step)}", received, "fill it"
        )

    def _error(self, row: int, problem: str, received: str, hint: str) -> DataError:
        index, gap = int(self.rows[row]), hint.startswith("fill it")
        return DataError(
            problem,
            where=f"{self.block.row(index)} ({_shown(self.times[row])})",
            expected=f"a value of {self.series.value!r} every {self.series.every}",
            received=received,
            hint=f"{hint}, or begin a new series there: `data.series.on_gap: restart`"
            if gap
            else hint,
        )


def times_of(series: Series, block: Block) -> pd.DatetimeIndex:
    """Returns when each row was: steps between them are to be even.

    Steps of less than a day are steps of time: in UTC, for times that name their zone, and so
    even when clocks are changed. Longer ones are steps of the calendar: as the clock says.

    Args:
        series: The recipe's series section.
        block: The rows.

    Raises:
        DataError: A row has no time, or none that can be read; or only some name their zone.
    """
    texts = _written(series, block)
    parsed = _parsed(series, texts)
    if parsed is None:
        row, problem = _culprit(series, texts)
        raise DataError(
            problem,
            where=f"{block.row(row)}, column {series.time!r}",
            expected=series.time_format or "ISO 8601, such as 1990-12-31 or 1990-12-31 23:59",
            received=repr(texts[row].as_py()),
            hint="correct it, or say how times are written in `data.series.time_format`",
        )
    return parsed


def _written(series: Series, block: Block) -> pa.Array:
    """The times as the file has them; as raw values they are in UTC, which has other days."""
    fields = block.batch if block.raw is None else block.raw
    column = fields.column(block.batch.schema.get_field_index(series.time))
    zoned = pa.types.is_timestamp(column.type) and column.type.tz
    return instants.with_offset(column) if zoned else column.cast(pa.string())


def _culprit(series: Series, texts: pa.Array) -> tuple[int, str]:
    """The row whose time cannot be read, and what is wrong with it."""
    for row in range(len(texts)):
        if texts[row].as_py() is None:
            return row, "the row has no time"
        if _parsed(series, texts[row : row + 1]) is None:
            return row, "this is no time"
        if _parsed(series, pa.concat_arrays([texts[:1], texts[row : row + 1]])) is None:
            return row, "only some of the times name their zone"
    raise AssertionError("each time can be read, and all together cannot")


def _parsed(series: Series, texts: pa.Array) -> pd.DatetimeIndex | None:
    """The times; None if one is missing or cannot be read."""
    if series.time_format is None:
        found = None if texts.null_count else instants.parsed(texts, "ns")
        calendar = not _is_short(series)
        return found and pd.DatetimeIndex((found.wall if calendar else found.utc).view("M8[ns]"))
    times = pd.to_datetime(texts.to_pandas(), format=series.time_format, errors="coerce", utc=True)
    return None if times.hasnans else pd.DatetimeIndex(times).tz_localize(None)


def _is_short(series: Series) -> bool:
    step = to_offset(series.every)
    return isinstance(step, Tick) and pd.Timedelta(step) < pd.Timedelta("1D")


def _shown(time: pd.Timestamp) -> str:
    return str(time.isoformat(" ")).removesuffix(" 00:00:00")
