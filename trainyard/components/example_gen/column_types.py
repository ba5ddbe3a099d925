"""What type a column has: decided once over the whole input, as stock TFX decides.

A CSV column is an integer column if every value is a 64-bit integer, else a
float column if every value is a number, else text; an integer that is too long
for 64 bits makes the column text, for it is more likely an identifier. One
thing differs from stock: `1_000` is text, although Python would read a number.
A column without any value has the type `MISSING`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from trainyard.errors import RecipeError


class ColumnType(enum.IntEnum):
    """The types of a column; each can hold what the ones before it hold."""

    MISSING = 0
    INTEGER = 1
    FLOAT = 2
    TEXT = 3
    BYTES = 4

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of such a column in a block."""
        return (pa.null(), pa.int64(), pa.float64(), pa.string(), pa.binary())[self]


_LONGEST_SAFE_INTEGER = 18  # any integer of so many digits fits in 64 bits


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
    for candidate in (ColumnType.INTEGER, ColumnType.FLOAT):
        if candidate >= known and (parsed := _parsed(values, candidate)) is not None:
            return candidate, parsed
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
    if parsed is None:
        wrong = next(v for v in values.to_pylist() if v and _number(v, column_type) is None)
        raise ValueError(repr(wrong))
    return parsed


def _parsed(values: pa.Array, column_type: ColumnType) -> pa.Array | None:
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

    Integers become floats, and numbers become the text that stands in the file
    (leading zeros kept), where the schema says so. Any other disagreement is
    left as it is, for the gate to report.

    Args:
        types: The types found in the data.
        schema_file: A `tensorflow_metadata` schema in text form.

    Raises:
        RecipeError: The file is not there or is not a schema.
    """
    wished = schema_types(schema_file)
    return {
        name: max(found, wished.get(name, found)) if found else found
        for name, found in types.items()
    }


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
