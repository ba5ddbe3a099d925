"""Splits in order."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.components.example_gen.test_executor import execute, splits
from trainyard.components.example_gen.component import ExampleGen
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data, Label

LABEL = Label.model_validate("y")


def written(folder: Path, days: list[str], name: str = "rows.csv", column: str = "day") -> Path:
    file = folder / name
    rows = [f"{number},{day},{number % 2}" for number, day in enumerate(days)]
    file.write_text("\n".join([f"x,{column},y", *rows]) + "\n")
    return file


def made(folder: Path, path: Path | str, **options) -> dict[str, list[int]]:
    """The numbers of the rows in each split."""
    data = Data(path=str(path), **options)
    found = splits(execute(ExampleGen(data, {"label": LABEL}, "1"), folder / "out"))
    return {
        name: [e.features.feature["x"].int64_list.value[0] for e in examples]
        for name, examples in found.items()
    }


def test_by_place(tmp_path):
    file = written(tmp_path, ["d"] * 100)
    found = made(tmp_path, file, split={"in_order": True, "train": 7, "eval": 1, "test": 2})
    assert found == {
        "train": list(range(70)),
        "eval": list(range(70, 80)),
        "test": list(range(80, 100)),
    }


def test_by_place_in_each_file_and_where_rows_are_left_out(tmp_path):
    for name in ("1.csv", "2.csv"):
        written(tmp_path, ["d"] * 100, name)
    split = {"in_order": True, "train": 1, "eval": 1, "test": 0}
    found = made(tmp_path, tmp_path / "*.csv", split=split, where="x >= 40")
    assert found == {"train": [*range(40, 50)] * 2, "eval": [*range(50, 100)] * 2}


@pytest.mark.parametrize(
    "days",
    [
        [f"1981-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(100)],
        [f"1981-01-01T{i // 60:02}:{i % 60:02}:00" for i in range(100)],
        [str(i - 50) for i in range(100)],
        [str(i / 8) for i in range(100)],
    ],
)
def test_by_a_column(tmp_path, days):
    mixed = random.Random(1).sample(list(enumerate(days)), len(days))
    file = written(tmp_path, [day for _, day in mixed])
    found = made(tmp_path, file, split={"in_order": "day"})
    places = {name: sorted(mixed[x][0] for x in some) for name, some in found.items()}
    assert places == {
        "train": list(range(80)),
        "eval": list(range(80, 90)),
        "test": list(range(90, 100)),
    }


def test_equal_values_share_a_split(tmp_path):
    file = written(tmp_path, [str(2000 + i // 30) for i in range(100)])
    found = made(tmp_path, file, split={"in_order": "day", "train": 1, "eval": 1, "test": 1})
    years = {name: {2000 + x // 30 for x in some} for name, some in found.items()}
    assert years == {"train": {2000, 2001}, "eval": {2002}, "test": {2003}}


@pytest.mark.parametrize("wrong", ["", "3/4/1981", "1981-1-1", "soon"])
def test_a_value_that_has_no_place(tmp_path, wrong):
    days = [f"1981-01-{1 + i % 28:02}" for i in range(30)]
    file = written(tmp_path, [*days, wrong])
    with pytest.raises(DataError, match=r"(?s)row 31 .*no place in the order of column 'day'"):
        made(tmp_path, file, split={"in_order": "day"})


def test_no_such_column(tmp_path):
    with pytest.raises(RecipeError, match="did you mean 'day'"):
        made(tmp_path, written(tmp_path, ["1"] * 9), split={"in_order": "days"})
