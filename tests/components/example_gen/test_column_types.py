"""One raw value, whatever file it comes from."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard.components.example_gen import parquet_files, reader
from trainyard.components.example_gen.column_types import ColumnType, from_text, joined
from trainyard.components.example_gen.column_types import joined_texts as of_texts
from trainyard.recipe_schema import Data

BOOLEAN, INTEGER, FLOAT, DATE, TEXT = (
    ColumnType.BOOLEAN,
    ColumnType.INTEGER,
    ColumnType.FLOAT,
    ColumnType.DATE,
    ColumnType.TEXT,
)


def read(file: Path, form: Any) -> tuple[dict[str, ColumnType], dict[str, list[Any]]]:
    data = Data(path="x", format=form)
    types = reader.columns(data, [file])
    blocks = reader.blocks(data, [file], types)
    return types, pa.Table.from_batches([block.batch for block in blocks]).to_pydict()


VALUES = {
    "flag": st.booleans(),
    "day": st.dates(datetime.date(1000, 1, 1)),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "price": st.decimals(-1000, 1000, places=2),
    "code": st.from_regex(r"[A-Z]0[0-9]{1,3}", fullmatch=True),
}
ARROW = {
    "flag": pa.bool_(),
    "day": pa.date32(),
    "whole": pa.int64(),
    "price": pa.decimal128(10, 2),
    "code": pa.large_string(),
}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_csv_and_parquet_of_one_table_are_read_alike(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(VALUES)))
    values = data.draw(st.lists(VALUES[name] | st.none(), min_size=1, max_size=9))
    if all(value is None for value in values):
        values.append(data.draw(VALUES[name]))
    spell = data.draw(st.sampled_from([str, lambda v: str(v).lower(), lambda v: str(v).upper()]))
    spelled = spell if name == "flag" else str
    lines = ["" if value is None else spelled(value) for value in values]
    column = pa.array(values, ARROW[name])
    if data.draw(st.booleans()) and name != "price":
        column = column.dictionary_encode()
    with TemporaryDirectory() as folder:
        rows = "".join(f"{line},x\n" for line in lines)
        Path(folder, "a.csv").write_text(f"{name},b\n{rows}", encoding="utf-8")
        pq.write_table(
            pa.table({name: column, "b": ["x"] * len(values)}), Path(folder, "a.parquet")
        )
        (types, csv), (others, parquet) = (
            read(Path(folder, f"a.{form}"), form) for form in ("csv", "parquet")
        )

    assert csv == parquet
    is_whole_price = name == "price" and types[name] is INTEGER
    assert types == others or is_whole_price


@pytest.mark.parametrize(
    ("unit", "zone", "expected"),
    [
        ("s", None, "2026-10-25T02:30:00"),
        ("ns", None, "2026-10-25T02:30:00"),
        ("ms", "UTC", "2026-10-25T02:30:00Z"),
        ("us", "Europe/Berlin", "2026-10-25T02:30:00Z"),
    ],
)
def test_timestamps_have_one_text_in_every_unit_and_zone(
    unit: str, zone: str | None, expected: str
) -> None:
    instant = int(datetime.datetime(2026, 10, 25, 2, 30, tzinfo=datetime.UTC).timestamp())
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    values = pa.array([instant * per_second, None], pa.timestamp(unit, zone))

    assert parquet_files.convert(values, ColumnType.TIMESTAMP).to_pylist() == [expected, None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_have_one_text_in_every_unit(unit: str) -> None:
    kind = pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    values = pa.array([datetime.time(10, 30), datetime.time(0, 0, 20)], kind)

    assert parquet_files.convert(values, ColumnType.TIME).to_pylist() == ["10:30:00", "00:00:20"]


@pytest.mark.parametrize("value", [0, 2**63 - 1])
@pytest.mark.parametrize("kind", ["int8", "int64", "uint8", "uint64"])
def test_whole_numbers_of_any_width_are_integers(kind: str, value: int) -> None:
    value = min(value, 100) if kind.endswith("8") else value
    values = pa.array([value, None], getattr(pa, kind)())

    assert parquet_files.convert(values, INTEGER).to_pylist() == [value, None]


def test_unsigned_number_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="18446744073709551615"):
        parquet_files.convert(pa.array([2**64 - 1], pa.uint64()), INTEGER)


def test_decimals_and_floats_are_the_same_numbers() -> None:
    values = pa.array([decimal.Decimal("1.50"), None], pa.decimal128(5, 2))

    assert parquet_files.convert(values, FLOAT).to_pylist() == [1.5, None]


@pytest.mark.parametrize(
    ("one", "other", "typed", "text"),
    [
        (ColumnType.MISSING, BOOLEAN, BOOLEAN, BOOLEAN),
        (BOOLEAN, BOOLEAN, BOOLEAN, BOOLEAN),
        (INTEGER, FLOAT, FLOAT, FLOAT),
        (BOOLEAN, INTEGER, INTEGER, TEXT),  # 1 of Parquet; "True" of CSV is no number
        (DATE, ColumnType.TIMESTAMP, ColumnType.TIMESTAMP, TEXT),
        (DATE, INTEGER, TEXT, TEXT),
        (ColumnType.TIME, DATE, TEXT, TEXT),
        (TEXT, ColumnType.BYTES, ColumnType.BYTES, ColumnType.BYTES),
    ],
)
def test_column_of_two_types(
    one: ColumnType, other: ColumnType, typed: ColumnType, text: ColumnType
) -> None:
    assert joined(one, other) is joined(other, one) is typed
    assert of_texts(one, other) is of_texts(other, one) is text


def test_files_of_flags_and_of_numbers_make_text_in_csv(tmp_path: Path) -> None:
    for name, value in (("1", "True"), ("2", "1"), ("3", "0.5")):
        (tmp_path / f"{name}.csv").write_text(f"a\n{value}\n", encoding="utf-8")

    for files in ("123", "321", "12", "31"):
        chosen = [tmp_path / f"{name}.csv" for name in files]
        assert reader.columns(Data(path="x"), chosen) == {"a": TEXT}


def test_files_of_flags_and_of_numbers_make_numbers_in_parquet(tmp_path: Path) -> None:
    files = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    pd.DataFrame({"a": [True, False]}).to_parquet(files[0])
    pd.DataFrame({"a": [0.0, 1.0]}).to_parquet(files[1])
    data = Data(path="x", format="parquet")
    types = reader.columns(data, files)

    assert types == {"a": FLOAT}
    read = [block.batch.column(0).to_pylist() for block in reader.blocks(data, files, types)]
    assert read == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("kind", "found", "values"),
    [("INT", BOOLEAN, [1, 0]), ("FLOAT", FLOAT, [1.0, 0.0]), ("BYTES", TEXT, ["True", "false"])],
)
def test_curated_schema_decides_what_flags_are(
    tmp_path: Path, kind: str, found: ColumnType, values: list[Any]
) -> None:
    (tmp_path / "a.csv").write_text("a\nTrue\nfalse\n", encoding="utf-8")
    schema = tmp_path / "a.pbtxt"
    schema.write_text(f'feature {{ name: "a" type: {kind} }}', encoding="utf-8")
    data = Data.model_validate({"path": "x", "schema": str(schema)})
    types = reader.columns(data, [tmp_path / "a.csv"])

    assert types == {"a": found}
    (block,) = reader.blocks(data, [tmp_path / "a.csv"], types)
    assert block.batch.column(0).to_pylist() == values


def test_word_among_flags_is_named() -> None:
    with pytest.raises(ValueError, match="'maybe'"):
        from_text(pa.array(["True", None, "maybe"]), BOOLEAN)


def test_numbers_that_a_curated_schema_has_as_text_are_known_to_be_numbers(tmp_path: Path) -> None:
    schema = tmp_path / "a.pbtxt"
    schema.write_text('feature { name: "a" type: BYTES }', encoding="utf-8")
    pd.DataFrame({"a": [7], "b": [True]}).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("a,b\n0007,True\n", encoding="utf-8")

    for form, expected in (("parquet", INTEGER), ("csv", TEXT)):
        data = Data.model_validate({"path": "x", "format": form, "schema": str(schema)})
        files = [tmp_path / f"a.{form}"]
        types = reader.columns(data, files)
        assert types == {"a": TEXT, "b": BOOLEAN}
        assert reader.held(data, files, types) == {"a": expected, "b": BOOLEAN}
