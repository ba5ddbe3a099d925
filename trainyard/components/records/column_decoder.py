"""Decodes a block of tf.Examples column by column, for all rows at once.

A parser of protocol buffers visits value by value. Here numpy moves one cursor
a row through the block: every row has the same features in the same order, as
`records.encoder` writes them, so that each step reads one field of all
rows. Whatever is not laid out so (another order, an unknown field, a value of
another kind) is noticed, and not decoded: `decode` returns None, and a general
parser does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trainyard.components.records.tfrecord_blocks import RecordBlock

Places = npt.NDArray[np.int64]

# Field tags, wire type 2 (length-delimited).
# Source: tensorflow/core/example/example.proto and feature.proto
_FEATURES = _ENTRY = _KEY = _ELEMENT = 0x0A
_VALUE = 0x12
_BYTES, _FLOATS, _INTEGERS = 0x0A, 0x12, 0x1A

_LONGEST_VARINT = 10  # digits of a 64-bit integer
_LONGEST_LENGTH = 28  # bits before the last digit of a length: what lies in memory is shorter
_LONG_TEXT = 64  # bytes; from here on copying value by value is quicker than byte by byte
_PADDING = bytes(64)


class _OtherLayoutError(Exception):
    """The block is not laid out as expected."""


def decode(block: RecordBlock, layout: Sequence[str]) -> pa.RecordBatch | None:
    """Decodes records to the columns that tfx_bsl's decoder without a schema makes.

    A column is a large list of int64, float32 or large binary; null where an
    example has not got the feature or its kind is not set; of the null type if
    all are. Columns are in the layout's order, those that no row has left out.

    Args:
        block: Records.
        layout: The features in the order in which the records have them; a record
            may lack some.

    Returns:
        The rows, or None if some record is not laid out so.
    """
    try:
        return _Cursors(block).batch(layout)
    except _OtherLayoutError:
        return None


def layout_of(record: bytes) -> list[str]:
    """Returns the names of a record's features in the order in which they are written.

    Args:
        record: A serialized tf.Example.

    Returns:
        The names; empty if the record is no tf.Example.
    """
    end = np.array([len(record)], np.int64)
    names = []
    try:
        cursors = _Cursors(RecordBlock(record, end * 0, end, Path(), 0))
        while cursors.at[0] < cursors.end[0]:
            start, stop = cursors.field(cursors.at, cursors.end, _ENTRY)
            first, last = cursors.field(start, stop, _KEY)
            names.append(record[first[0] : last[0]].decode())
            cursors.at = stop
    except (_OtherLayoutError, UnicodeDecodeError):
        return []
    return names


class _Cursors:
    """One cursor a record, all at the same feature.

    Attributes:
        at: Where each record's next feature begins, shape `(n,)`.
        end: Where each record's features end, shape `(n,)`.
    """

    def __init__(self, block: RecordBlock) -> None:
        # Padded so that looking a little too far is not an error.
        self._bytes = block.data + _PADDING
        self._data = np.frombuffer(self._bytes, np.uint8)
        self.at, self.end = block.starts, block.ends
        filled = np.flatnonzero(self.at < self.end)
        if len(filled) == len(block):
            self.at, self.end = self._last_field(self.at, self.end, _FEATURES)
        else:
            start, _ = self._last_field(self.at[filled], self.end[filled], _FEATURES)
            self.at = self.end.copy()
            self.at[filled] = start

    def batch(self, layout: Sequence[str]) -> pa.RecordBatch:
        columns = {name: self._column(name.encode()) for name in layout}
        if not np.array_equal(self.at, self.end):
            raise _OtherLayoutError
        found = {name: column for name, column in columns.items() if column is not None}
        return pa.RecordBatch.from_arrays(list(found.values()), list(found))

    def _column(self, key: bytes) -> pa.Array | None:
        """Reads one feature of those rows that have it, and moves their cursors past it."""
        rows = self._rows_with(key)
        if not len(rows):
            return None
        at, end = self.at[rows], self.end[rows]
        start, stop = self.field(at, end, _ENTRY)
        start, _ = self._last_field(start + len(_prefix(key)) - 1, stop, _VALUE)
        self.at = stop if len(rows) == len(self.at) else _replaced(self.at, rows, stop)
        typed = start < stop
        if not typed.all():
            rows, start, stop = rows[typed], start[typed], stop[typed]
        return self._lists(rows, start, stop) if len(rows) else pa.nulls(len(self.at))

    def _rows_with(self, key: bytes) -> Places:
        """Which rows have this feature at the cursor."""
        rows = np.flatnonzero((self.at < self.end) & (self._data[self.at] == _ENTRY))
        _, start = self._varints(self.at[rows] + 1)
        prefix = _prefix(key)
        start = np.minimum(start, len(self._data) - len(prefix))
        same: npt.NDArray[np.bool_] = self._windows(f"S{len(prefix)}", start) == prefix
        return rows[same]

    def _lists(self, rows: Places, start: Places, stop: Places) -> pa.Array:
        """Reads each row's list of values."""
        kind = int(self._data[start[0]])
        start, _ = self._last_field(start, stop, kind)
        if kind == _BYTES:
            counts, values = self._texts(start, stop)
        elif kind in (_FLOATS, _INTEGERS):
            filled = np.flatnonzero(start < stop)
            start, stop = start[filled], stop[filled]
            start, _ = self._last_field(start, stop, _ELEMENT)
            some, values = (self._floats if kind == _FLOATS else self._integers)(start, stop)
            counts = _replaced(np.zeros(len(rows), np.int64), filled, some)
        else:
            raise _OtherLayoutError
        return _list_array(len(self.at), rows, counts, values)

    def _floats(self, start: Places, stop: Places) -> tuple[Places, pa.Array]:
        counts, odd = np.divmod(stop - start, 4)
        if odd.any():
            raise _OtherLayoutError
        values = self._windows("V4", _spread(start, counts, 4)).view("<f4")
        return counts, pa.array(values, pa.float32())

    def _integers(self, start: Places, stop: Places) -> tuple[Places, pa.Array]:
        lengths = stop - start
        flat = self._data[_spread(start, lengths)]
        last = np.flatnonzero(flat < 0x80)  # the last byte of each integer
        row_ends = np.cumsum(lengths)
        before = np.searchsorted(last, row_ends)  # how many integers end in this row or before
        if len(flat) and (flat[row_ends - 1] >= 0x80).any():
            raise _OtherLayoutError
        return np.diff(before, prepend=0), pa.array(_unsigned(flat, last).view(np.int64))

    def _texts(self, start: Places, stop: Places) -> tuple[Places, pa.Array]:
        rows, at, turns = np.arange(len(start)), start, []
        while len(rows := rows[more := at < stop[rows]]):
            first, last = self.field(at[more], stop[rows], _ELEMENT)
            turns.append((rows, first, last))
            at = last
        if not turns:
            return np.zeros(len(start), np.int64), pa.array([], pa.large_binary())
        owner, first, last = (np.concatenate(parts) for parts in zip(*turns, strict=True))
        if len(turns) > 1:
            order = np.argsort(owner, kind="stable")
            first, last = first[order], last[order]
        return np.bincount(owner, minlength=len(start)), self._binary(first, last)

    def _binary(self, start: Places, stop: Places) -> pa.Array:
        lengths = stop - start
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        if offsets[-1] > _LONG_TEXT * len(start):
            places = zip(start.tolist(), stop.tolist(), strict=True)
            joined = pa.py_buffer(b"".join([self._bytes[first:last] for first, last in places]))
        else:
            joined = pa.py_buffer(self._data[_spread(start, lengths)])
        buffers = [None, pa.py_buffer(offsets), joined]
        return pa.Array.from_buffers(pa.large_binary(), len(start), buffers)

    def field(self, at: Places, end: Places, tag: int) -> tuple[Places, Places]:
        """Returns where the content of each row's field begins and ends.

        Args:
            at: Where the field begins.
            end: Where it has to end at the latest.
            tag: What field it has to be.
        """
        if (at >= end).any() or (self._data[at] != tag).any():
            raise _OtherLayoutError
        length, start = self._varints(at + 1)
        if ((stop := start + length) > end).any():
            raise _OtherLayoutError
        return start, stop

    def _last_field(self, at: Places, end: Places, tag: int) -> tuple[Places, Places]:
        start, stop = self.field(at, end, tag)
        if not np.array_equal(stop, end):
            raise _OtherLayoutError
        return start, stop

    def _varints(self, at: Places) -> tuple[Places, Places]:
        """Reads each row's length, and returns where it ends too."""
        byte = self._data[at]
        value, after = (byte & 0x7F).astype(np.int64), at + 1
        rows, shift = np.flatnonzero(byte >= 0x80), 7
        while len(rows):
            if shift > _LONGEST_LENGTH:
                raise _OtherLayoutError
            byte = self._data[after[rows]]
            value[rows] |= (byte & 0x7F).astype(np.int64) << shift
            after[rows] += 1
            rows, shift = rows[byte >= 0x80], shift + 7
        return value, after

    def _windows(self, kind: str, start: Places) -> npt.NDArray[Any]:
        """Copies the bytes at each place, as many as the type has."""
        size = np.dtype(kind).itemsize
        every: npt.NDArray[Any] = np.ndarray(
            (len(self._data) - size + 1,), kind, self._bytes, strides=(1,)
        )
        return every[start]


def _prefix(key: bytes) -> bytes:
    """How an entry of the map begins, up to the tag of its value."""
    length, digits = len(key), bytearray()
    while length > 0x7F:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([_KEY, *digits, length]) + key + bytes([_VALUE])


def _replaced(array: Places, rows: Places, values: Places) -> Places:
    array = array.copy()
    array[rows] = values
    return array


def _spread(start: Places, counts: Places, step: int = 1) -> Places:
    """Returns `start, start + step, ...`, as many as `counts` says, for every row in turn."""
    if (counts == 1).all():
        return start
    before = np.cumsum(counts) - counts
    places: Places = np.repeat(start - before * step, counts) + np.arange(counts.sum()) * step
    return places


def _unsigned(flat: npt.NDArray[np.uint8], last: Places) -> npt.NDArray[np.uint64]:
    """Joins base-128 digits, least significant first; `last` is where each number ends."""
    first = np.concatenate([[0], last[:-1] + 1]) if len(last) else last
    widths = last - first + 1
    total, longest = np.zeros(len(last), np.uint64), int(widths.max(initial=0))
    if longest > _LONGEST_VARINT:
        raise _OtherLayoutError
    for digit in range(longest):
        rows = np.flatnonzero(widths > digit)
        bits = (flat[first[rows] + digit] & 0x7F).astype(np.uint64)
        total[rows] |= bits << np.uint64(7 * digit)
    return total


def _list_array(length: int, rows: Places, counts: Places, values: pa.Array) -> pa.Array:
    """Puts lists into those rows that have one, and null into the others."""
    validity = None
    if len(rows) < length:
        counts = _replaced(np.zeros(length, np.int64), rows, counts)
        present = _replaced(np.zeros(length, np.int64), rows, np.ones_like(rows))
        validity = pa.py_buffer(np.packbits(present.astype(bool), bitorder="little"))
    offsets = pa.py_buffer(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
    kind = pa.large_list(values.type)
    return pa.Array.from_buffers(kind, length, [validity, offsets], children=[values])
