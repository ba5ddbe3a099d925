"""What makes a row the same row: a hash of its fields as they were read, whatever their types.

Which split a row belongs to, and whether it stands twice, must not change when other files come
that make a column of integers one of floats or of text, nor when the same table comes as Parquet.
So what is hashed is a canonical form of each field, which depends on nothing but the field:

- A number is its value: `30`, `30.0`, `+3e1` and a Parquet float of 30 are one. Integers count to
  the last digit; a 32-bit float is the number that its shortest text says.
- `true` and `false` are 1 and 0, in any case and in any type.
- A date or time is its instant, in UTC if it names a zone; a date is its midnight.
- Any other text, and bytes, are their bytes.
- What is missing is one value, and so is NaN. A column in which a row has nothing counts for
  nothing, nor does the order of the columns.

Columns are known by their names in the file. Source of the mixing function: splitmix64, Steele et
al., "Fast splittable pseudorandom number generators" (2014).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

VERSION = "2"
"""Of the canonical form: a row's split is the same in all runs of one version.

Version 1, that of stock TFX, hashed the row as it was serialized after typing.
"""

MISSING = 0
Hashes = npt.NDArray[np.uint64]

_EXACT = 2.0**53
"""Beyond it a float is not any integer."""

_LONGEST = 64
"""Characters: longer text is no number and no time."""

_ALL = (1 << 64) - 1
_SALT = 0x9E3779B97F4A7C15
_TIME_SALT, _CLOCK_SALT, _FLOAT_SALT = 0x1D8E4E27C47D124F, 0x2545F4914F6CDD1D, 0x5851F42D4C957F2D
_WORDS = {"true": 1, "false": 0}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf(inity)?|nan)", re.I)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?( ?(Z|[+-][0-9]{2}(:?[0-9]{2})?))?)?"
)
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_MICROSECONDS = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}


def rows(fields: pa.RecordBatch) -> Hashes:
    """Returns the hash of every row, `(n,)`.

    Args:
        fields: As the file has them.
    """
    total = np.zeros(len(fields), np.uint64)
    for name, column in zip(fields.schema.names, fields.columns, strict=True):
        bits, salt = _bits(column), np.uint64(_digest(name.encode("utf-8", "surrogateescape")))
        total += np.where(bits == MISSING, np.uint64(0), _mixed(bits ^ salt))
    return _mixed(total)


def values(column: pa.Array) -> Hashes:
    """Returns the hash of every value, `(n,)`; `MISSING` where there is none.

    A list of one value is that value.

    Args:
        column: Any that a reader yields.
    """
    return _mixed(_bits(column))


def _bits(column: pa.Array) -> Hashes:
    """What is the same of equal values only, not yet spread; `MISSING` where there is none."""
    return next(bits for fits, bits in _BITS if fits(column.type))(column)


def _integers(column: pa.Array) -> Hashes:
    missing = np.asarray(column.is_null())
    known = np.asarray(pc.fill_null(column.cast(pa.int64()), 0)).view(np.uint64)
    return _present(known + np.uint64(_SALT), missing)


def _unsigned(column: pa.Array) -> Hashes:
    largest = pc.max(column).as_py() or 0
    return _integers(column) if largest < 1 << 63 else _texts(column.cast(pa.string()))


def _floats(column: pa.Array) -> Hashes:
    numbers = column.to_numpy(zero_copy_only=False)  # NaN where missing
    if numbers.dtype != np.float64:
        different, places = np.unique(numbers, return_inverse=True)
        numbers = different.astype(str).astype(np.float64)[places]
    whole = (np.abs(numbers) < 2.0**63) & (np.trunc(numbers) == numbers)
    integers = np.where(whole, numbers, 0).astype(np.int64).view(np.uint64) + np.uint64(_SALT)
    bits = numbers.view(np.uint64) ^ np.uint64(_FLOAT_SALT)
    return _present(np.where(whole, integers, bits), np.isnan(numbers))


def _texts(column: pa.Array) -> Hashes:
    bits = _texts_of_numbers(column)
    if bits is None:
        encoded = column.dictionary_encode()
        known = np.array([MISSING, *map(_text, encoded.dictionary.to_pylist())], np.uint64)
        bits = known[np.asarray(encoded.indices.fill_null(-1)) + 1]
    return bits


def _texts_of_numbers(column: pa.Array) -> Hashes | None:
    """The same as value by value, but much faster; None if not all are numbers."""
    first = column.drop_null()[:1].to_pylist()
    if not pa.types.is_string(column.type) or not all(map(_NUMBER.fullmatch, first)):
        return None  # a cast that fails takes longer than one that does not
    try:
        numbers = column.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    large = np.flatnonzero(np.abs(np.asarray(pc.fill_null(numbers, 0))) >= _EXACT)
    bits = _floats(numbers)
    bits[large] = _large_numbers(column.take(pa.array(large)))
    return bits


def _large_numbers(column: pa.Array) -> Hashes:
    try:
        return _integers(column.cast(pa.int64()))
    except pa.ArrowInvalid:
        return np.array([_text(text) for text in column.to_pylist()], np.uint64)


def _text(value: str | bytes) -> int:
    """The bits of one text."""
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    if len(raw) > _LONGEST:
        return _digest(raw)
    text = raw.decode("utf-8", "surrogateescape").strip()
    if text.lower() in _WORDS:
        return _integer(_WORDS[text.lower()])
    if _NUMBER.fullmatch(text):
        return _number(text)
    try:
        return _instant(text)
    except ValueError:
        return _digest(raw)


def _number(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        return int(_floats(pa.array([float(text)]))[0])
    number = int(text)
    fits = -(1 << 63) <= number < 1 << 63
    return _integer(number) if fits else _digest(str(number).encode())


def _instant(text: str) -> int:
    """The bits of a date, a time, or both; ValueError if it is none."""
    if _CLOCK.fullmatch(text):
        clock = datetime.fromisoformat(f"1970-01-01T{text}").replace(tzinfo=UTC)
        return (clock - _EPOCH) // _MICROSECOND & _ALL ^ _CLOCK_SALT or 1
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    time = datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND & _ALL ^ _TIME_SALT or 1


def _instants(column: pa.Array) -> Hashes:
    times, by = _MICROSECONDS[column.type.unit]
    return _salted(np.asarray(pc.fill_null(column.cast(pa.int64()), 0)) // by * times, column)


def _dates(column: pa.Array) -> Hashes:
    return _instants(column.cast(pa.timestamp("ms")))


def _clocks(column: pa.Array) -> Hashes:
    microseconds = column.cast(pa.time64("us"), safe=False).cast(pa.int64())
    return _salted(np.asarray(pc.fill_null(microseconds, 0)), column, _CLOCK_SALT)


def _salted(
    microseconds: npt.NDArray[np.int64], column: pa.Array, salt: int = _TIME_SALT
) -> Hashes:
    return _present(microseconds.view(np.uint64) ^ np.uint64(salt), np.asarray(column.is_null()))


def _lists(column: pa.Array) -> Hashes:
    """A value counts by its place; the first one of all as if it stood alone."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int64)
    ends = np.cumsum(lengths)
    inner = _bits(pc.list_flatten(column))
    places = np.arange(len(inner)) - np.repeat(ends - lengths, lengths)
    salted = _mixed(inner + places.astype(np.uint64) * np.uint64(_SALT))
    sums = np.concatenate([[np.uint64(0)], np.cumsum(np.where(places, salted, inner))])
    return np.asarray(sums[ends] - sums[ends - lengths], np.uint64)


def _others(column: pa.Array) -> Hashes:
    texts = [None if value is None else str(value) for value in column.to_pylist()]
    return _texts(pa.array(texts, pa.string()))


def _nothing(column: pa.Array) -> Hashes:
    return np.zeros(len(column), np.uint64)


def _present(bits: Hashes, missing: npt.NDArray[np.bool_]) -> Hashes:
    """Keeps what is missing and what is there apart."""
    return np.where(missing, np.uint64(MISSING), np.maximum(bits, np.uint64(1)))


def _mixed(bits: Hashes) -> Hashes:
    """Spreads each bit over all, one to one; 0 stays 0."""
    bits = (bits ^ bits >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ bits >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return bits ^ bits >> np.uint64(31)


def _integer(number: int) -> int:
    return number + _SALT & _ALL or 1


def _digest(raw: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest()) or 1


_BITS: tuple[tuple[Callable[[Any], bool], Callable[[pa.Array], Hashes]], ...] = (
    (pa.types.is_null, _nothing),
    (pa.types.is_boolean, _integers),
    (pa.types.is_unsigned_integer, _unsigned),
    (pa.types.is_integer, _integers),
    (pa.types.is_floating, _floats),
    (pa.types.is_timestamp, _instants),
    (pa.types.is_date, _dates),
    (pa.types.is_time, _clocks),
    (pa.types.is_list, _lists),
    (pa.types.is_large_list, _lists),
    (pa.types.is_fixed_size_list, _lists),
    (pa.types.is_decimal, _others),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind), _texts),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), _texts),
    (lambda _: True, _others),
)
