"""The quick look that `trainyard check` takes."""

from __future__ import annotations

import pytest

from tests.support.example_gen import quick_look
from trainyard.components.example_gen import reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.preflight import first_copies
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data, Label

LABEL = Label.model_validate("b")


def test_columns_and_types(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("a,b,c\nx,1,1.5\n")
    assert quick_look(Data(path="x", key="a"), {"label": LABEL}, [file]) == {
        "a": ColumnType.TEXT,
        "b": ColumnType.INTEGER,
        "c": ColumnType.FLOAT,
    }


def test_copies_among_the_first_rows(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n" + "x,1\n" * 3 + "y,1.0\ny,1\n")
    found = first_copies(reader.first(Data(path="x"), [file]))
    assert (found.counted, found.rows, found.most) == (5, 3, 3)
    (warning,) = found.warnings()
    assert warning.startswith("3 of the first 5 rows (60.0%) are copies of an earlier row")


@pytest.mark.parametrize(
    ("content", "data", "error", "words"),
    [
        ("a,c\n1,2\n", {}, RecipeError, "column 'b'"),
        ("a,b\n1,2\n", {"key": "A"}, RecipeError, "data.key"),
        ("a,b\n1,2\n", {"weight": "A"}, RecipeError, "(?s)data.weight.*one of: a, b"),
        ("a,b\nx,2\n", {"weight": "a"}, RecipeError, "(?s)weights in 'a' are no numbers.*text"),
        ("a,b\n", {}, DataError, "only a header"),
        ("a,b\n1\n", {}, DataError, "row 1"),
        ("b,b\n1,2\n", {}, DataError, "occurs 2 times"),
    ],
)
def test_mistakes(tmp_path, content, data, error, words):
    file = tmp_path / "rows.csv"
    file.write_text(content)
    with pytest.raises(error, match=words):
        quick_look(Data(path="x", **data), {"label": LABEL}, [file])
