"""Labels that are computed from columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trainyard.components.example_gen import derived_label
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Label

TYPES = {
    "tips": ColumnType.FLOAT,
    "fare": ColumnType.INTEGER,
    "kind": ColumnType.TEXT,
    "zero": ColumnType.INTEGER,
    "none": ColumnType.MISSING,
    "odd name": ColumnType.INTEGER,
    "list": ColumnType.INTEGER,
}
COLUMNS = {
    "tips": pa.array([3.0, 1.0, None, 2.0]),
    "fare": pa.array([10, 10, 10, None]),
    "kind": pa.array(["cash", "card", None, "card"]),
    "zero": pa.array([1, 0, 1, 1]),
    "none": pa.nulls(4),
    "odd name": pa.array([1, 2, 3, 4]),
    "list": pa.array([[1], [2], [], None]),
}


def block(first_row: int = 1) -> Block:
    return Block(
        pa.RecordBatch.from_pydict(COLUMNS), Path("trips.csv"), first_row + np.arange(4), 1.0
    )


def label(expression: str, name: str = "label") -> Label:
    return Label(name=name, expression=expression)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("tips > fare * 0.2", [1, 0, None, None]),
        ("kind == 'cash'", [1, 0, None, 0]),
        ("tips > 2 or kind == 'card'", [1, 1, None, 1]),
        ("tips is missing or fare is missing", [0, 0, 1, 1]),
        ("not tips > 2 or zero == 0", [0, 1, None, 1]),
        ("tips * 2", [6.0, 2.0, None, 4.0]),
        ("none > 1", [None] * 4),
        ("none + 1", [None] * 4),
        ("`odd name`", [1, 2, 3, 4]),
        ("kind", ["cash", "card", None, "card"]),
        ("list + 1", [2.0, 3.0, None, None]),
        ("1 < zero + tips < 4", [0, 0, None, 1]),
    ],
)
def test_values(expression, expected):
    derived_label.check(label(expression), COLUMNS)
    assert "label" in derived_label.types({"label": label(expression)}, TYPES)
    batch = derived_label.append(label(expression), block()).batch
    assert batch.schema.names == [*COLUMNS, "label"]
    assert batch.column("label").to_pylist() == expected


@pytest.mark.parametrize(
    ("expression", "kind"), [("none > 1", pa.int64()), ("none + 1", pa.float64())]
)
def test_type_does_not_depend_on_the_block(expression, kind):
    batch = derived_label.append(label(expression), block()).batch
    assert batch.column("label").type == kind


def test_a_column_stays_as_it_is():
    assert derived_label.append(label("tips", "tips"), block()).batch.schema.names == list(COLUMNS)


def test_a_column_that_is_not_there():
    with pytest.raises(RecipeError, match="did you mean 'fare'"):
        derived_label.check(label("tips > fares"), COLUMNS)


def test_a_name_that_is_taken():
    with pytest.raises(RecipeError, match="column of that name"):
        derived_label.check(label("tips > 1", "fare"), COLUMNS)


def test_no_column_at_all():
    with pytest.raises(RecipeError, match="names no column"):
        derived_label.check(label("1 > 0"), COLUMNS)


def test_the_wrong_delimiter_is_suspected():
    with pytest.raises(RecipeError, match=r"data\.delimiter"):
        derived_label.check(label("b", "b"), ["a;b;c"])


@pytest.mark.parametrize(
    "expression", ["kind * 2 > 1", "kind > 1", "kind / 2", "tips - kind", "tips == '3'", "not kind"]
)
def test_kinds_are_checked_before_any_row_is_read(expression):
    with pytest.raises(RecipeError, match=r"label\.expression: .*(text)"):
        derived_label.types({"label": label(expression)}, TYPES)


def test_the_type_of_a_label():
    labels = {
        key: label(expression, key)
        for key, expression in {"a": "tips > 1", "b": "tips * 2", "c": "kind"}.items()
    }
    types = derived_label.types(labels, TYPES)
    found = [types[key] for key in labels]
    assert found == [ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.TEXT]


@pytest.mark.parametrize("expression", ["tips / zero", "tips / zero > 100", "tips % zero == 0"])
def test_a_division_by_zero_names_the_row(expression):
    with pytest.raises(DataError, match=r"trips\.csv, row 102"):
        derived_label.append(label(expression), block(101))


def test_a_division_by_zero_is_set_aside():
    rows = derived_label.append(label("tips / zero > 1"), block(101), on_bad_row="quarantine")
    assert rows.batch.column("label").to_pylist() == [1, None, 1]
    assert [each.row for each in rows.bad] == [102]


def test_several_values_in_a_row():
    rows = Block(pa.RecordBatch.from_pydict({"a": [[1], [1, 2]]}), Path("f"), np.array([1, 2]), 1.0)
    with pytest.raises(DataError, match="row 2"):
        derived_label.append(label("a + 1"), rows)
