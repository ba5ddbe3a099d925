"""Text such as `$1,911.41`, `(1 234,5)` or `44.6%` as plain numbers, as `data.numbers` says."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen import column_types
from trainyard.components.example_gen.as_trained import MisfitError
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.errors import RecipeError, nearest_column
from trainyard.recipe_schema import Data, NumberFormat

_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)
_NO_NUMBER = "text"
_NO_TEXT = pa.scalar(None, pa.string())
_BLANKS = r"[ \u00a0\u2007\u2009\u202f]"
_MARKS = {"": "(?!)", " ": _BLANKS, "'": "['\u2019]"}


def check(data: Data, columns: Collection[str]) -> None:
    """Checks that the columns are there that are numbers or codes.

    Args:
        data: The recipe's data section.
        columns: The names of the data's columns.

    Raises:
        RecipeError: One is not there.
    """
    named = {
        "data.numbers.columns": data.numbers.columns if data.numbers else (),
        "data.codes": data.codes,
        "data.not_missing": data.not_missing,
    }
    for key, names in named.items():
        if absent := next((name for name in names if name not in columns), None):
            raise RecipeError(
                f"there is no column {absent!r} in the data",
                where=key if key == "data.codes" else f"{key}.{absent}",
                hint=nearest_column(absent, columns),
            )


def is_declared(data: Data, column: str) -> bool:
    """Whether the recipe says that a column holds numbers, and how they are written.

    Args:
        data: The recipe's data section.
        column: Its name in the examples.
    """
    return bool(data.numbers and column in data.numbers.columns)


def narrowest(
    data: Data, column: str, known: ColumnType, values: pa.Array
) -> tuple[ColumnType, pa.Array | None]:
    """Returns what `column_types.narrowest` says of a column's values.

    Values that do not fit the format make a column text, unless the recipe says that it
    holds numbers: then they are no numbers, and what reads them says so.

    Args:
        data: The recipe's data section.
        column: Its name in the examples.
        known: The type after the values seen before.
        values: A string array of shape `(n,)`; null where missing.
    """
    form = data.number_format(column)
    if form is None:
        return column_types.narrowest(known, values)
    declared = is_declared(data, column)
    misfit = None if declared else _NO_NUMBER
    found, numbers = column_types.narrowest(known, _plain(form, declared, values, misfit))
    if found is ColumnType.TEXT and not declared:  # true and false, or dates
        found = column_types.narrowest(known, values)[0]
        return (ColumnType.TEXT if found in _NUMBERS else found), None
    no_value = values.null_count == len(values)
    return max(found, ColumnType.INTEGER) if declared and not no_value else found, numbers


def plain(data: Data, column: str, values: pa.Array, column_type: ColumnType) -> pa.Array:
    """Returns text of a column of numbers as plain numbers; other columns as they are.

    Args:
        data: The recipe's data section.
        column: Its name in the examples.
        values: Shape `(n,)`; null where missing.
        column_type: What they are to become.

    Raises:
        MisfitError: A value does not fit the column's format.
    """
    form = data.number_format(column)
    if form is None or column_type not in _NUMBERS or not column_types.is_text(values.type):
        return values
    values = values.cast(pa.string())
    values = pc.if_else(pc.equal(pc.utf8_trim_whitespace(values), ""), _NO_TEXT, values)
    numbers = _plain(form, is_declared(data, column), values, None)
    if numbers.null_count > values.null_count:
        row = pc.index(pc.and_(numbers.is_null(), values.is_valid()), True).as_py()
        raise MisfitError(row, _expected(form), repr(values[row].as_py()))
    return numbers


def _expected(form: NumberFormat) -> str:
    return f"a number such as {form.example} (`data.numbers`)"


def _plain(form: NumberFormat, declared: bool, values: pa.Array, misfit: str | None) -> pa.Array:
    encoded = values.dictionary_encode()
    texts = [plain_text(form, text, unit=declared) for text in encoded.dictionary.to_pylist()]
    plain = pa.array(texts, pa.string()).take(encoded.indices)
    if misfit is None:
        return plain
    return pc.if_else(pc.and_(plain.is_null(), values.is_valid()), misfit, plain)


def plain_text(form: NumberFormat, text: str, *, unit: bool) -> str | None:
    """Returns a number in Python's notation; None if the text is not written as the format says.

    Args:
        form: How it is written.
        text: One value.
        unit: Whether it must have the unit.
    """
    match = _pattern(form.decimal, form.thousands, form.unit.strip(), unit).fullmatch(text.strip())
    if match is None:
        return None
    whole = "".join(c for c in match["whole"] or "0" if c.isdecimal())
    fraction = match["decimals"] or match["fraction"]
    signs = (match["sign"] or "", match["inner"] or "", "-" if match["open"] else "")
    minus = "-" if any(sign in ("-", "\u2212") for sign in signs) else ""
    decimals = f".{fraction}" if fraction else ""
    return f"{minus}{whole}{decimals}{match['exponent'] or ''}"


@cache
def _pattern(decimal: str, thousands: str, unit: str, needs_unit: bool) -> re.Pattern[str]:
    mark = _MARKS.get(thousands, re.escape(thousands))
    optional = "" if needs_unit and unit else "?"
    point, unit = re.escape(decimal), re.escape(unit) or "(?!)"
    groups = rf"[1-9]\d{{0,2}}(?:{mark}\d{{3}})+|[1-9]\d?(?:{mark}\d{{2}})+{mark}\d{{3}}"
    number = (
        rf"(?:(?P<whole>{groups}|\d+)(?:{point}(?P<decimals>\d*))?"
        rf"|{point}(?P<fraction>\d+))(?P<exponent>[eE][-+]?\d+)?"
    )
    before = rf"(?P<before>{unit}{_BLANKS}*)?(?P<inner>[-+\u2212])?"
    after = rf"(?(before)|(?:{_BLANKS}*{unit}){optional})"
    return re.compile(
        rf"(?P<open>\()?(?P<sign>[-+\u2212])?{_BLANKS}*{before}{number}{after}(?(open)\))"
    )
