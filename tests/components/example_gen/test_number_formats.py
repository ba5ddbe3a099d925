"""Numbers as people write them: read as the recipe says, never as something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard.components.example_gen import csv_files, number_guess, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.number_formats import plain_text
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data, NumberFormat

FORMATS = [
    {},
    {"thousands": ","},
    {"thousands": ",", "unit": "$"},
    {"decimal": ",", "thousands": "."},
    {"decimal": ",", "thousands": " ", "unit": "€"},
    {"thousands": "'", "unit": "CHF"},
    {"unit": "%"},
    {"decimal": ",", "unit": "kg"},
    {"unit": "km/h²"},
]


def written(number: float, form: NumberFormat, style: int) -> str:
    """A number as people write it in a format, in one of several ways."""
    text = f"{abs(number):,.2f}" if style % 2 else f"{abs(number):.2f}"
    marks = {",": form.thousands, ".": form.decimal}
    text = "".join(marks.get(c, c) for c in text)
    if form.unit:
        blank = ("", " ", "\u00a0")[style % 3]
        text = f"{form.unit}{blank}{text}" if form.unit in "$€" else f"{text}{blank}{form.unit}"
    if number >= 0:
        return text
    return f"({text})" if style % 4 == 3 else f"-{text}"


@given(
    st.decimals(-(10**12), 10**12, places=2),
    st.sampled_from(FORMATS),
    st.integers(0, 59),
)
def test_every_way_to_write_a_number_is_that_number(number, options, style) -> None:
    form = NumberFormat(**options)

    plain = plain_text(form, written(float(number), form, style), unit=bool(form.unit))

    assert plain is not None
    assert float(plain) == float(f"{float(number):.2f}")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"thousands": ","}, "1,23"),
        ({"thousands": ","}, "0,123"),
        ({"thousands": ","}, "1234,567"),
        ({"decimal": ","}, "1.5"),
        ({"decimal": ",", "thousands": "."}, "1.5"),
        ({"unit": "kg"}, "12 lb"),
        ({"unit": "kg"}, "12"),
        ({"unit": "%"}, "0.446"),
        ({"unit": "$"}, "$5 $"),
        ({}, "1_000"),
        ({}, "(5"),
        ({}, "1,5"),
        ({}, "nothing"),
        ({}, "5-"),
    ],
)
def test_anything_else_is_no_number(options, text) -> None:
    assert plain_text(NumberFormat(**options), text, unit="unit" in options) is None


def read(folder: Path, frame: pd.DataFrame, **options):
    file = folder / "t.csv"
    frame.to_csv(file, index=False)
    data = Data.model_validate({"path": "x", **options})
    types = reader.columns(data, [file])
    blocks = [block.batch for block in reader.blocks(data, [file], types)]
    return types, pa.Table.from_batches(blocks).to_pydict()


@pytest.mark.parametrize(
    "numbers",
    [{"columns": {"price": {"thousands": ",", "unit": "$"}}}, {"thousands": ",", "unit": "$"}],
)
def test_flags_and_dates_beside_numbers_are_read_as_ever(tmp_path: Path, numbers) -> None:
    frame = pd.DataFrame(
        {"price": ["$1,000.50", "$2"], "flag": ["TRUE", "False"], "day": ["2026-11-28"] * 2}
    )
    types, values = read(tmp_path, frame, numbers=numbers)
    assert types["flag"] is ColumnType.BOOLEAN
    assert types["day"] is ColumnType.DATE
    assert (values["price"], values["flag"]) == ([1000.5, 2.0], [1, 0])


def test_a_column_has_the_format_that_is_said_of_it(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"price": ["$2,000.00", None, "$5"], "share": ["44.6%", "3%", "0.1%"], "n": [1, 2, 3]}
    )
    columns = {"price": {"thousands": ",", "unit": "$"}, "share": {"unit": "%"}}

    types, rows = read(tmp_path, frame, numbers={"columns": columns})

    assert rows == {"price": [2000.0, None, 5.0], "share": [44.6, 3.0, 0.1], "n": [1, 2, 3]}
    assert types["n"] is ColumnType.INTEGER


def test_a_format_of_all_columns_leaves_text_alone(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["1,234", "12"], "b": ["1,234", "x"], "c": ["12 kg", "7"]})

    types, rows = read(tmp_path, frame, numbers={"thousands": ",", "unit": "kg"})

    assert rows == {"a": [1234, 12], "b": ["1,234", "x"], "c": [12, 7]}
    assert types["a"] is types["c"] is ColumnType.INTEGER


def test_a_format_of_all_columns_reads_every_block_alike(tmp_path: Path, monkeypatch) -> None:
    """`1.234` fits in the first block, `0.5` of the last does not: then the column is text."""
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 64)
    frame = pd.DataFrame({"a": ["1.234"] * 100 + ["0.5"], "b": 1})

    _, rows = read(tmp_path, frame, numbers={"decimal": ",", "thousands": "."})

    assert rows["a"] == ["1.234"] * 100 + ["0.5"]


def test_what_does_not_fit_is_named_with_its_row(tmp_path: Path) -> None:
    frame = pd.DataFrame({"price": ["$1", "$2", "free", "$4"], "n": 1})
    numbers = {"columns": {"price": {"unit": "$"}}}

    with pytest.raises(DataError) as caught:
        read(tmp_path, frame, numbers=numbers)

    assert caught.value.where == f"{tmp_path / 't.csv'}, row 3"
    assert "'price'" in str(caught.value)
    assert (caught.value.received, "$1234.5" in caught.value.expected) == ("'free'", True)

    _, rows = read(tmp_path, frame, numbers=numbers, on_bad_row="quarantine")
    assert rows["price"] == [1, 2, 4]


def test_numbers_as_text_in_parquet(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    frame = pd.DataFrame({"kilos": ["12 kg", "", None], "name": ["a", "b", "c"]})
    frame.assign(kind=pd.Categorical(["1,5", "2,5", "1,5"])).to_parquet(file)
    columns = {"w": {"unit": "kg"}, "kind": {"decimal": ","}}
    data = Data.model_validate(
        {
            "path": "x",
            "format": "parquet",
            "columns": {"w": "kilos"},
            "numbers": {"columns": columns},
        }
    )

    types = reader.columns(data, [file])
    (block,) = reader.blocks(data, [file], types)

    assert block.batch.to_pydict() == {
        "w": [12.0, None, None],
        "name": ["a", "b", "c"],
        "kind": [1.5, 2.5, 1.5],
    }


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"numbers": {"columns": {"prise": {}}}}, "data.numbers.columns.prise"),
        ({"codes": ["prise"]}, "data.codes"),
        ({"not_missing": {"prise": ["None"]}}, "data.not_missing.prise"),
    ],
)
def test_a_column_that_is_not_there_is_an_error(tmp_path: Path, options, where) -> None:
    with pytest.raises(RecipeError, match="did you mean 'price'") as caught:
        read(tmp_path, pd.DataFrame({"price": [1, 2]}), **options)

    assert caught.value.where == where


def test_codes_keep_their_zeros(tmp_path: Path) -> None:
    frame = pd.DataFrame({"zip": ["00012", "12", None], "n": ["007", "8", "9"]})

    types, rows = read(tmp_path, frame, codes=["zip"])

    assert rows == {"zip": ["00012", "12", None], "n": [7, 8, 9]}
    assert types["zip"] is ColumnType.TEXT


def test_none_may_be_a_class_of_one_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"sport": ["None", "golf", "NA"], "n": ["1", "None", "3"]})

    _, rows = read(tmp_path, frame, not_missing={"sport": ["None"]})

    assert rows == {"sport": ["None", "golf", None], "n": [1, None, 3]}


@pytest.mark.parametrize("header", [",a,b", '"",a,b', "\n,a,b"])
def test_a_first_column_without_a_name_gets_one(tmp_path: Path, header: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text(f"{header}\n0,x,2\n1,y,3\n")
    data = Data(path="x")

    types = reader.columns(data, [file])
    (block,) = reader.blocks(data, [file], types)

    assert block.batch.to_pydict() == {"unnamed_0": [0, 1], "a": ["x", "y"], "b": [2, 3]}


@pytest.mark.parametrize(
    ("texts", "options", "sure"),
    [
        (["$2,000.00", "$5"], {"thousands": ",", "unit": "$"}, True),
        (["$1,911", "$2,000"], {"thousands": ",", "unit": "$"}, True),
        (["1,234,567", "12"], {"thousands": ","}, True),
        (["12,34,567", "1,00,000"], {"thousands": ","}, True),
        (["12 kg", "3.5 kg"], {"unit": "kg"}, True),
        (["44.6%", "3%"], {"unit": "%"}, True),
        (["1.234,56", "3,1"], {"decimal": ",", "thousands": "."}, True),
        (["1.234.567", "12"], {"decimal": ",", "thousands": "."}, True),
        (["0,123", "4,567"], {"decimal": ","}, True),
        (["€ 3,50", "€ 1.200,00"], {"decimal": ",", "thousands": ".", "unit": "€"}, True),
        (["1 234", "12 345 678"], {"thousands": " "}, True),
        (["−5 °C", "3 °C"], {"unit": "°C"}, True),
        (["\u221212.5", "3"], {}, True),
        (["(12.50)", "3.00"], {}, True),
        (["- 5", "3"], {}, True),
        (["1,234", "5,678"], {"thousands": ","}, False),
        (["1.234 kg", "5.678 kg"], {"unit": "kg"}, False),
    ],
)
def test_formats_are_told_from_all_values(texts, options, sure) -> None:
    found = number_guess.guess(texts)

    assert found is not None
    assert found.form == NumberFormat(**options)
    assert (found.other == "") == sure


@pytest.mark.parametrize(
    "texts",
    [
        ["12", "13.5", "1e5"],
        ["C0001", "C0002"],
        ["2020-01-02", "2020-01-03"],
        ["1.2.3", "1.3.4"],
        ["10.0.0.1", "10.0.0.2"],
        ["555 123 456", "555 123 457"],
        ["5k", "6M"],
        ["12 kg", "5"],
        ["12 kg", "5 lb"],
        ["12345678901234567890", "12345678901234567891"],
        ["#1", "#2"],
        ["12:30", "13:45"],
        ["red", "green"],
        ["1,234", "0,5 to 1"],
        [],
    ],
)
def test_other_texts_are_no_numbers_of_one_format(texts) -> None:
    assert number_guess.guess(texts) is None


@given(
    st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=20, unique=True),
    st.sampled_from([form for form in FORMATS if form]),
    st.integers(0, 59),
)
def test_what_is_guessed_reads_the_numbers_that_were_written(numbers, options, style) -> None:
    form = NumberFormat(**options)
    texts = [written(float(number), form, style) for number in numbers]
    found = number_guess.guess(texts)

    if found is None:  # marks of which none was needed: plain numbers
        assert not form.unit
        found = number_guess.Guess(NumberFormat())
    read_back = [float(plain_text(found.form, text, unit=bool(form.unit))) for text in texts]
    assert read_back == [float(f"{float(number):.2f}") for number in numbers]


def test_points_that_may_be_thousands() -> None:
    assert number_guess.is_ambiguous_decimal(["1.234", "12.345", "999"])
    assert not number_guess.is_ambiguous_decimal(["0.234", "12.345"])
    assert not number_guess.is_ambiguous_decimal([f"{x:.3f}" for x in np.linspace(-3, 3, 50)])


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["6.6k", "1.2M", "900", "3k", "4k"], "6.6k"),
        (["$6.6k", "$1.2M", "$900", "$3k", "$4k"], "$6.6k"),
        (["$6k", "$1k", "$9k", "$3k", "$4k"], "$6k"),
        (["12.50-", "3.00", "4.00-", "7.25", "8.00"], "12.50-"),
        (["1.250,00-", "3,00", "4,00-", "7,25", "8,00"], "1.250,00-"),
        (["250-", "1", "2", "3", "4"], "250-"),
        (["12 kg", "5 lb", "6 lb", "7 kg", "8 kg"], "12 kg"),
        (["3", "12 kg", "6", "7 kg", "8 kg"], "12 kg"),
        (["5 %", "6", "7", "8 %", "9"], "5 %"),
        (["$5", "6 €", "$7", "$8", "9 €"], "$5"),
        (["5", "$6", "$7", "$8", "9"], "$6"),
        (["1,5 Mio", "2 Mrd", "3 Mio", "4,1 Mio", "7 Mio"], "1,5 Mio"),
    ],
)
def test_numbers_that_no_format_reads_are_noticed(texts, first) -> None:
    assert number_guess.guess(texts) is None
    assert number_guess.unsupported(texts) == first


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["6.6k", "1.2M"],  # too few to tell
        ["1", "2.5", "3", "4", "1e5"],
        ["12 kg", "5 kg", "7 kg", "8 kg", "9 kg"],  # data.numbers reads them
        ["12A", "12B", "14C", "15A", "16D"],
        ["1", "2-", "3+", "4-", "5"],
        ["1", "2-", "3", "4-", "5"],
        ["5 red", "6 blue", "7 green", "8 black", "9 white"],
        ["2020-01-02", "2020-01-03", "2020-01-04", "2020-01-05", "2020-01-06"],
        ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"],
        ["12:30", "13:45", "14:00", "15:00", "16:00"],
        ["18-24", "25-34", "35-44", "45-54", "55-64"],
        ["C01", "C02", "C03", "C04", "C05"],
        ["555 123 456", "555 123 457", "555 123 458", "555 123 459", "555 123 450"],
        ["red", "green", "blue", "black", "6.6k"],
    ],
)
def test_other_texts_are_not_taken_for_numbers_of_no_format(texts) -> None:
    assert number_guess.unsupported(texts) is None


@given(st.lists(st.text(max_size=6), unique=True))
def test_any_texts_may_be_guessed(texts) -> None:
    assert number_guess.unsupported(texts) is None or number_guess.guess(texts) is None
