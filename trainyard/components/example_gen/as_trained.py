"""Converts the columns of another file to what they were in training.

Training may have read CSV, and what is to be predicted may be Parquet: `True` is
text in the one and a boolean in the other. A model's description says what each
column held (`Kind`); what has one meaning is converted, all else is refused.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pyarrow as pa

from trainyard.components.example_gen import parquet_files
from trainyard.components.example_gen.column_types import ColumnType, from_text, widened
from trainyard.kinds import Kind, RawType
from trainyard.raw_values import as_number

_TYPES: dict[RawType, ColumnType] = {
    "int64": ColumnType.INTEGER,
    "float32": ColumnType.FLOAT,
    "string": ColumnType.TEXT,
}
_NOUNS = {
    ColumnType.BOOLEAN: "true and false",
    ColumnType.INTEGER: "whole numbers",
    ColumnType.FLOAT: "numbers",
    ColumnType.DATE: "dates",
    ColumnType.TIME: "times of day",
    ColumnType.TIMESTAMP: "dates with a time",
    ColumnType.TEXT: "text",
    ColumnType.BYTES: "bytes",
}
_WANTED = {
    ColumnType.BOOLEAN: "true or false",
    ColumnType.INTEGER: "a whole number",
    ColumnType.FLOAT: "a number",
    ColumnType.DATE: "a date such as 2026-11-28",
    ColumnType.TIME: "a time such as 10:30:00",
    ColumnType.TIMESTAMP: "a date and a time such as 2026-11-28T10:30:00",
    ColumnType.TEXT: "text in UTF-8",
}
_FAMILIES = (
    {ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.FLOAT},
    {ColumnType.DATE, ColumnType.TIMESTAMP},
)
_ANY = {ColumnType.MISSING, ColumnType.TEXT, ColumnType.BYTES}  # of which each value decides


class MisfitError(ValueError):
    """A value that is not what the column held in training.

    Attributes:
        row: Its place in the column.
        expected: What it should be.
        received: What it is.
    """

    def __init__(self, row: int, expected: str, received: str) -> None:
        super().__init__(f"row {row}: expected {expected}, received {received}")
        self.row, self.expected, self.received = row, expected, received


def refusal(found: ColumnType, kind: Kind | None) -> str:
    """Says why a column cannot be what it was in training; empty if its values decide.

    Args:
        found: What the file says of the column.
        kind: What it held in training; None if nobody knows.
    """
    wanted = _wanted(kind)
    if wanted is None or found in _ANY or found is wanted:
        return ""
    if any({found, wanted} <= family for family in _FAMILIES):
        return ""
    return f"it held {_NOUNS[wanted]} in training, and the file has {_NOUNS[found]}"


def convert(values: pa.Array, found: ColumnType, kind: Kind | None, raw: RawType) -> pa.Array:
    """Converts a column.

    Args:
        values: As read, shape `(n,)`; null where missing.
        found: What the file says of the column; text if it is CSV.
        kind: What it held in training; None if nobody knows: then its type has to do.
        raw: Its type in training's tf.Examples.

    Returns:
        int64, float64 or string, `(n,)`; null where missing.

    Raises:
        MisfitError: A value has no such meaning.
    """
    wanted, type_ = _wanted(kind) or _TYPES[raw], _TYPES[raw]
    if found is ColumnType.DATE and wanted is ColumnType.TIMESTAMP:
        found = wanted
    try:
        plain = parquet_files.convert(values, found)
        if found is ColumnType.BYTES:
            plain = plain.cast(pa.string())
    except ValueError as error:  # Arrow's own errors are of these
        raise MisfitError(0, _WANTED[wanted], str(error)) from None
    read = _READERS.get(wanted)
    if read is not None and found is not wanted:
        plain = _each(plain, read, wanted)
    if wanted in (ColumnType.INTEGER, ColumnType.FLOAT):
        plain = _numbers(plain, wanted)
    if wanted is ColumnType.BOOLEAN and type_ is ColumnType.TEXT:  # as a curated schema has it
        plain = parquet_files.convert(plain.cast(pa.bool_()), type_)
    return plain.cast(type_.arrow)


def _wanted(kind: Kind | None) -> ColumnType | None:
    known = kind not in (None, "missing", "bytes")
    return ColumnType[str(kind).upper()] if known else None


def _each(
    values: pa.Array, read: Callable[[str], int | str | None], wanted: ColumnType
) -> pa.Array:
    """Reads each different value as text."""
    encoded = values.cast(pa.string()).dictionary_encode()
    found = [read(text) for text in encoded.dictionary.to_pylist()]
    if None in found:
        wrong = encoded.dictionary[found.index(None)].as_py()
        row = encoded.indices.to_pylist().index(found.index(None))
        raise MisfitError(row, _WANTED[wanted], repr(wrong))
    return pa.array(found, wanted.arrow).take(encoded.indices)


def _flag(text: str) -> int | None:
    number = as_number(text)
    return int(number) if number in (0, 1) else None


def _moment(text: str) -> datetime.datetime | None:
    with suppress(ValueError):
        return datetime.datetime.fromisoformat(text)
    return None


def _date(text: str) -> str | None:
    moment = _moment(text)
    is_date = moment is not None and not moment.tzinfo and moment.time() == datetime.time()
    return moment.date().isoformat() if moment and is_date else None


def _timestamp(text: str) -> str | None:
    moment = _moment(text)
    if moment is None:
        return None
    zone = "" if moment.tzinfo is None else "Z"
    utc = moment.astimezone(datetime.UTC).replace(tzinfo=None) if zone else moment
    return f"{_short(utc.isoformat())}{zone}"


def _time(text: str) -> str | None:
    with suppress(ValueError):
        return _short(datetime.time.fromisoformat(text).isoformat())
    return None


def _short(text: str) -> str:
    """Without the zeros at the end of the fraction of a second, as ExampleGen writes it."""
    return text.rstrip("0") if "." in text else text


_READERS: dict[ColumnType, Callable[[str], int | str | None]] = {
    ColumnType.BOOLEAN: _flag,
    ColumnType.DATE: _date,
    ColumnType.TIME: _time,
    ColumnType.TIMESTAMP: _timestamp,
}


def _numbers(values: pa.Array, wanted: ColumnType) -> pa.Array:
    if pa.types.is_string(values.type):
        values = _of_text(values, wanted)
    if wanted is ColumnType.INTEGER and pa.types.is_floating(values.type):
        return _whole(values)
    # Integers beyond 53 binary digits are rounded as in training.
    return _finite(values.cast(wanted.arrow, safe=wanted is ColumnType.INTEGER))


def _of_text(values: pa.Array, wanted: ColumnType) -> pa.Array:
    found = widened(ColumnType.MISSING, values)
    if found in (ColumnType.MISSING, ColumnType.INTEGER, ColumnType.FLOAT):
        return from_text(values, found)
    for row in range(len(values)):
        if widened(wanted, values[row : row + 1]) > ColumnType.FLOAT:
            raise MisfitError(row, _WANTED[wanted], repr(values[row].as_py()))
    raise AssertionError("a column of numbers is a column of numbers")


def _whole(values: pa.Array) -> pa.Array:
    """Floats such as 3.0, which other programs write for integers beside missing values."""
    numbers = values.to_numpy(zero_copy_only=False)
    present = ~np.isnan(numbers)
    with np.errstate(invalid="ignore"):  # of infinities
        bad = np.flatnonzero(present & ((numbers % 1 != 0) | (np.abs(numbers) >= 2**63)))
    if len(bad):
        raise MisfitError(int(bad[0]), "a whole number", str(numbers[bad[0]]))
    return pa.array(np.where(present, numbers, 0).astype(np.int64), mask=~present)


def _finite(values: pa.Array) -> pa.Array:
    if not pa.types.is_floating(values.type):
        return values
    numbers = values.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        bad = np.flatnonzero(np.isinf(numbers.astype(np.float32)))
    if len(bad):
        raise MisfitError(int(bad[0]), "a finite number", str(numbers[bad[0]]))
    return pa.array(numbers, mask=np.isnan(numbers))
