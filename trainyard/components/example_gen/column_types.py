"""What type a column has: decided once over the whole input, as stock TFX decides.

A CSV column is an integer column if every value is a 64-bit integer, else a
float column if every value is a number, else text; an integer that is too long
for 64 bits makes the column text, for it is more likely an identifier. Three
things differ from stock: `1_000` is text, although Python would read a number; a
column of nothing but true and false, however capitalized, is 0 and 1, as it is
in a Parquet file; and dates such as `2026-11-28`, which stay text, are known to
be dates. A column without any value has the type `MISSING`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.errors import RecipeError
from trainyard.kinds import Kind
from trainyard.raw_values import as_flag


class ColumnType(enum.IntEnum):
    """The types of a column, from narrow to wide; text can hold all that come before it."""

    MISSING = 0
    BOOLEAN = 1
    INTEGER = 2
    FLOAT = 3
    DATE = 4
    TIME = 5
    TIMESTAMP = 6
    TEXT = 7
    BYTES = 8

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of such a column in a block."""
        numbers = (pa.null(), pa.int64(), pa.int64(), pa.float64())
        return (*numbers, *[pa.string()] * 4, pa.binary())[self]

    @property
    def kind(self) -> Kind:
        """What a model's description calls it."""
        return cast(Kind, self.name.lower())


_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.FLOAT})
_TYPED = (_NUMBERS | {ColumnType.BOOLEAN}, frozenset({ColumnType.DATE, ColumnType.TIMESTAMP}))
_FROM_TEXT = (ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.DATE)
_DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$"


def joined(one: ColumnType, other: ColumnType) -> ColumnType:
    """Returns the narrowest type for a column that has both, as files that know types say.

    Args:
        one: The type in one place.
        other: The type in another.
    """
    return _joined(one, other, _TYPED)


def joined_texts(one: ColumnType, other: ColumnType) -> ColumnType:
    """Like `joined`, for columns of text: one of `true` and 1 is neither flag nor number.

    Args:
        one: The type in one place.
        other: The type in another.
    """
    return _joined(one, other, (_NUMBERS,))


def _joined(
    one: ColumnType, other: ColumnType, families: Iterable[frozenset[ColumnType]]
) -> ColumnType:
    both = {one, other}
    if len(both) == 1 or ColumnType.MISSING in both or any(both <= each for each in families):
        return max(both)
    return max(ColumnType.TEXT, *both)


_LONGEST_SAFE_INTEGER = 18  # any integer of so many digits fits in 64 bits


def is_text(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def widened(known: ColumnType, values: pa.Array) -> ColumnType:
    """Returns the narrowest type for more values of a text column.

    Args:
        known: The type after the values seen before.
        values: A string array of shape `(n,)`; null where missing.
    """
    return narrowest(known, values)[0]


def narrowest(known: ColumnType, values: pa.Array) -> tuple[ColumnType, pa.Array | None]:
    """Like `widened`; returns also the numbers, if they are numbers."""
    if known is ColumnType.TEXT or values.null_count == len(values):
        return known, None
    for candidate in _FROM_TEXT:
        fits = joined_texts(known, candidate) is candidate
        if fits and (parsed := _parsed(values, candidate)) is not None:
            return candidate, parsed if candidate in _NUMBERS else None
    return ColumnType.TEXT, None


def from_text(values: pa.Array, column_type: ColumnType) -> pa.Array:
    """Converts the text of a column to its type.

    Args:
        values: A string array of shape `(n,)`; null where missing.
        column_type: A type that `widened` found for these values, or a wider one.

    Raises:
        ValueError: A value is not of that type; the message quotes the first such value.
    """
    if column_type is ColumnType.TEXT:
        return values
    if column_type is ColumnType.MISSING:
        return pa.nulls(len(values))
    parsed = _parsed(values, column_type)
    if parsed is None and column_type in _NUMBERS:  # flags that a curated schema has as numbers
        flags = _flags(values)
        parsed = flags if flags is None else flags.cast(column_type.arrow)
    if parsed is None:
        raise ValueError(repr(_first_wrong(values, column_type)))
    return parsed


def _first_wrong(values: pa.Array, column_type: ColumnType) -> str:
    one_by_one = (values[i : i + 1] for i in range(len(values)) if values[i].is_valid)
    wrong = next(each for each in one_by_one if _parsed(each, column_type) is None)
    return str(wrong[0].as_py())


def _flags(values: pa.Array) -> pa.Array | None:
    """Text as 0 and 1; None if a value is neither true nor false."""
    if not _first_is(values, lambda text: as_flag(text) is not None):
        return None
    lower = pc.utf8_lower(values)
    known = pc.is_in(lower, pa.array(["true", "false", None]))
    return pc.equal(lower, "true").cast(pa.int64()) if pc.all(known).as_py() else None


def _dates(values: pa.Array) -> pa.Array | None:
    """Text as it is; None if a value is no date such as `2026-11-28`."""
    if not _first_is(values, lambda text: text[4:5] == "-"):
        return None
    return values if pc.all(pc.match_substring_regex(values, _DATE)).as_py() else None


def _first_is(values: pa.Array, what: Callable[[str], bool]) -> bool:
    """Looks at the first value that is there, which spares most columns a closer look."""
    if values.null_count == len(values):
        return False
    first = int(np.argmax(np.asarray(values.is_valid()))) if values.null_count else 0
    return what(values[first].as_py())


_PARSERS = {ColumnType.BOOLEAN: _flags, ColumnType.DATE: _dates}


def _parsed(values: pa.Array, column_type: ColumnType) -> pa.Array | None:
    if parser := _PARSERS.get(column_type):
        return parser(values)
    try:
        parsed = values.cast(column_type.arrow)
    except pa.ArrowInvalid:
        return _parsed_each(values, column_type)
    return _parsed_each(values, column_type) if _doubtful(values, column_type) else parsed


def _doubtful(values: pa.Array, column_type: ColumnType) -> bool:
    # Arrow takes 0x1F for an integer and a 20-digit integer for a float; stock takes both for text.
    if column_type is ColumnType.INTEGER:
        return any(pc.any(pc.match_substring(values, x)).as_py() for x in "xX")
    longest = pc.max(pc.binary_length(values)).as_py() or 0
    return bool(longest > _LONGEST_SAFE_INTEGER)


def _parsed_each(values: pa.Array, column_type: ColumnType) -> pa.Array | None:
    encoded = values.dictionary_encode()
    numbers = []
    for text in encoded.dictionary.to_pylist():
        number = _number(text, column_type)
        if number is None:
            return None
        numbers.append(number)
    return pa.array(numbers, column_type.arrow).take(encoded.indices)


def _number(text: str, column_type: ColumnType) -> int | float | None:
    """Reads a number as Python does, surrounding blanks and plus sign included."""
    if "_" in text:
        return None
    raw = text.encode()
    try:
        integer = int(raw)
    except ValueError:
        integer = None
    if integer is not None and not -(2**63) <= integer < 2**63:
        return None
    if column_type is ColumnType.INTEGER:
        return integer
    try:
        return float(raw)
    except ValueError:
        return None


def curated(types: Mapping[str, ColumnType], schema_file: Path) -> dict[str, ColumnType]:
    """Lets a curated schema decide where it can do so without loss.

    Integers become floats, and numbers, flags and dates become the text that stands
    in the file (leading zeros kept), where the schema says so. Any other disagreement is
    left as it is, for the gate to report.

    Args:
        types: The types found in the data.
        schema_file: A `tensorflow_metadata` schema in text form.

    Raises:
        RecipeError: The file is not there or is not a schema.
    """
    wished = schema_types(schema_file)
    return {
        name: _curated(found, wished.get(name, found)) if found else found
        for name, found in types.items()
    }


def _curated(found: ColumnType, wished: ColumnType) -> ColumnType:
    flags = found is ColumnType.BOOLEAN and wished is ColumnType.INTEGER  # the same 0 and 1
    return found if flags else joined(found, wished)


def schema_types(schema_file: Path) -> dict[str, ColumnType]:
    """Reads the types that a curated schema names, as `curated` does."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        schema = text_format.Parse(schema_file.read_text("utf-8"), schema_pb2.Schema())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise RecipeError(
            f"the curated schema {schema_file} cannot be read: {error}",
            where="data.schema",
            expected="a tensorflow_metadata schema in text form (.pbtxt)",
            hint="write one with `trainyard schema infer`, or say `schema: infer`",
        ) from None
    known = {
        schema_pb2.INT: ColumnType.INTEGER,
        schema_pb2.FLOAT: ColumnType.FLOAT,
        schema_pb2.BYTES: ColumnType.TEXT,
    }
    return {f.name: known[f.type] for f in schema.feature if f.type in known}
