"""Columns of another file are what they were in training, or refused."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.components.example_gen import as_trained, parquet_files
from trainyard.components.example_gen.as_trained import MisfitError
from trainyard.components.example_gen.column_types import ColumnType

T = ColumnType
MIDNIGHT = datetime.datetime(2026, 11, 28)
TEN = datetime.datetime(2026, 11, 28, 10, 0, 0, 500000)
ZONED = pa.timestamp("ms", "Europe/Berlin")


@pytest.mark.parametrize(
    ("values", "found", "kind", "raw", "expected"),
    [
        # True of CSV and of Parquet are one value, and 1.
        (pa.array(["True", "false", None, "1"]), T.TEXT, "boolean", "int64", [1, 0, None, 1]),
        (pa.array([True, None]), T.BOOLEAN, "boolean", "int64", [1, None]),
        (pa.array([1, 0, None], pa.int8()), T.INTEGER, "boolean", "int64", [1, 0, None]),
        (pa.array([1.0, 0.0]), T.FLOAT, "boolean", "int64", [1, 0]),
        (pa.array([True, False]), T.BOOLEAN, "integer", "int64", [1, 0]),
        (pa.array([True, False]), T.BOOLEAN, "float", "float32", [1.0, 0.0]),
        # Numbers.
        (pa.array(["3.0", "4"]), T.TEXT, "integer", "int64", [3, 4]),
        (pa.array([3.0, None]), T.FLOAT, "integer", "int64", [3, None]),
        (pa.array(["120.5", "7"]), T.TEXT, "float", "float32", [120.5, 7.0]),
        (pa.array([decimal.Decimal("1.50")]), T.FLOAT, "float", "float32", [1.5]),
        (pa.array([7], pa.uint64()), T.INTEGER, "float", "float32", [7.0]),
        (pa.array([2**53 + 1]), T.INTEGER, "float", "float32", [2.0**53]),  # as training rounds it
        (pa.array([f"{2**53 + 1}"]), T.TEXT, "float", "float32", [2.0**53]),
        # Text, and codes.
        (pa.array(["0007"]), T.TEXT, "text", "string", ["0007"]),
        (pa.array(["0007"], pa.large_string()), T.TEXT, "text", "string", ["0007"]),
        (pa.array([b"0007"]), T.BYTES, "text", "string", ["0007"]),
        (pa.array([7, 8]), T.INTEGER, "integer", "string", ["7", "8"]),  # a curated schema
        (pa.array([True, None]), T.BOOLEAN, "boolean", "string", ["True", None]),
        # Dates and times.
        (pa.array([MIDNIGHT.date()]), T.DATE, "date", "string", ["2026-11-28"]),
        (pa.array([MIDNIGHT], pa.timestamp("ns")), T.TIMESTAMP, "date", "string", ["2026-11-28"]),
        (pa.array(["2026-11-28 00:00:00"]), T.TEXT, "date", "string", ["2026-11-28"]),
        (pa.array([TEN]), T.TIMESTAMP, "timestamp", "string", ["2026-11-28T10:00:00.5"]),
        (pa.array(["2026-11-28 10:00:00.500"]), T.TEXT, "timestamp", "string", None),
        (pa.array([MIDNIGHT.date()]), T.DATE, "timestamp", "string", ["2026-11-28T00:00:00"]),
        (
            pa.array(["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]),
            T.TEXT,
            "timestamp",
            "string",
            ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
        ),
        (pa.array([MIDNIGHT], ZONED), T.TIMESTAMP, "timestamp", "string", ["2026-11-28T00:00:00Z"]),
        (pa.array(["10:30", "10:30:00.50"]), T.TEXT, "time", "string", ["10:30:00", "10:30:00.5"]),
        # Nothing at all, and a model that does not say.
        (pa.nulls(2), T.MISSING, "boolean", "int64", [None, None]),
        (pa.nulls(1), T.MISSING, "date", "string", [None]),
        (pa.array([1, 22]), T.INTEGER, None, "string", ["1", "22"]),
        (pa.array(["x"]), T.TEXT, "missing", "string", ["x"]),
    ],
)
def test_value_of_one_meaning_is_converted(
    values: pa.Array, found: ColumnType, kind: Any, raw: Any, expected: list[Any] | None
) -> None:
    assert as_trained.refusal(found, kind) == ""
    converted = as_trained.convert(values, found, kind, raw)
    assert converted.to_pylist() == (expected or ["2026-11-28T10:00:00.5"])
    types = {"int64": pa.int64(), "float32": pa.float64(), "string": pa.string()}
    assert converted.type == types[raw]


@pytest.mark.parametrize(
    ("values", "found", "kind", "row", "expected"),
    [
        (["True", "Y"], T.TEXT, "boolean", 1, "true or false"),
        ([0, None, 2], T.INTEGER, "boolean", 2, "true or false"),
        (["1", "x"], T.TEXT, "float", 1, "a number"),
        (["true"], T.TEXT, "integer", 0, "a whole number"),
        (["2026-11-28", "28.11.2026"], T.TEXT, "date", 1, "a date such as 2026-11-28"),
        ([MIDNIGHT, TEN], T.TIMESTAMP, "date", 1, "a date such as 2026-11-28"),
        (["noon"], T.TEXT, "time", 0, "a time such as"),
        (["soon"], T.TEXT, "timestamp", 0, "a date and a time such as"),
        ([b"\xff"], T.BYTES, "text", 0, "text in UTF-8"),
        ([1.0, 1.5], T.FLOAT, "integer", 1, "a whole number"),
        (["1e39"], T.TEXT, "float", 0, "a finite number"),
    ],
)
def test_value_without_such_a_meaning_is_named(
    values: list[Any], found: ColumnType, kind: Any, row: int, expected: str
) -> None:
    raw: Any = {"boolean": "int64", "integer": "int64", "float": "float32"}.get(kind, "string")
    with pytest.raises(MisfitError) as caught:
        as_trained.convert(pa.array(values), found, kind, raw)
    assert caught.value.row == row
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (T.BOOLEAN, "text"),  # "True", "true", "yes" or "1"
        (T.INTEGER, "text"),  # 7 or 0007
        (T.FLOAT, "text"),
        (T.DATE, "text"),  # 2026-11-28 or 28.11.2026
        (T.TIMESTAMP, "text"),
        (T.DATE, "integer"),
        (T.INTEGER, "date"),
        (T.TIME, "timestamp"),
    ],
)
def test_column_whose_values_would_be_guesses_is_refused(found: ColumnType, kind: Any) -> None:
    assert "in training, and the file has" in as_trained.refusal(found, kind)


@given(st.lists(st.datetimes() | st.none(), min_size=1))
def test_timestamps_of_parquet_and_their_iso_text_are_one(values: list[Any]) -> None:
    column = pa.array(values, pa.timestamp("us"))
    text = pa.array([None if v is None else v.isoformat(" ") for v in values], pa.string())
    expected = parquet_files.convert(column, T.TIMESTAMP)
    assert as_trained.convert(text, T.TEXT, "timestamp", "string") == expected
