"""Files that write a column differently: one meaning where it is certain, else somebody is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.components.example_gen.test_executor import execute
from trainyard.components.example_gen import reader, unlike_files
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.component import ExampleGen
from trainyard.recipe_schema import Data, Recipe

SPELLINGS = {
    "capitalized": ["True", "False"],
    "lower": ["true", "false"],
    "upper": ["TRUE", "FALSE"],
    "digits": ["1", "0"],
    "words": ["yes", "no"],
}


def written(folder: Path, form: str, *columns: Any, name: str = "flag") -> list[Path]:
    files = [folder / f"{place}.{form}" for place, _ in enumerate(columns)]
    for file, values in zip(files, columns, strict=True):
        if form == "csv":
            file.write_text(f"{name},b\n" + "".join(f"{value},x\n" for value in values))
        else:
            pq.write_table(pa.table({name: values, "b": ["x"] * len(values)}), file)
    return files


def looked(files: list[Path], form: Any, **more: Any) -> reader.Survey:
    data = Data(path="x", format=form, **more)
    found = reader.survey(data, files)
    first = reader.first(data, files)
    assert first.unlike == found.unlike  # what `check` says is what the run says
    return found


def read(files: list[Path], form: Any, types: dict[str, ColumnType]) -> list[Any]:
    blocks = reader.blocks(Data(path="x", format=form), files, types)
    return [value for block in blocks for value in block.batch.column("flag").to_pylist()]


@pytest.mark.parametrize("one", ["capitalized", "lower", "upper"])
@pytest.mark.parametrize("other", ["capitalized", "lower", "upper"])
def test_true_and_false_mean_the_same_in_any_capitals(tmp_path: Path, one: str, other: str) -> None:
    files = written(tmp_path, "csv", SPELLINGS[one], SPELLINGS[other])
    found = looked(files, "csv")
    assert found.types["flag"] is ColumnType.BOOLEAN
    assert read(files, "csv", found.types) == [1, 0, 1, 0]
    assert not found.unlike


@pytest.mark.parametrize("other", ["digits", "words"])
def test_csv_files_that_do_not_agree_are_named(tmp_path: Path, other: str) -> None:
    files = written(tmp_path, "csv", SPELLINGS["capitalized"], ["TRUE", ""], SPELLINGS[other])
    found = looked(files, "csv")
    assert found.types["flag"] is ColumnType.TEXT
    (unlike,) = found.unlike
    kind = {"digits": "whole numbers", "words": "text"}[other]
    assert "column 'flag' is read as text" in unlike.words
    assert f"true and false in {files[0]}, {kind} in {files[2]}:" in unlike.words
    assert str(files[1]) not in unlike.words


@pytest.mark.parametrize(
    ("other", "kind", "words"),
    [
        ([1, 0], ColumnType.INTEGER, ""),  # booleans are 1 and 0 in a Parquet file
        (["TRUE", "FALSE"], ColumnType.TEXT, "true and false in {}, text in {}:"),
        ([None, None], ColumnType.BOOLEAN, ""),
    ],
)
def test_parquet_files_that_do_not_agree_are_named(
    tmp_path: Path, other: Any, kind: ColumnType, words: str
) -> None:
    files = written(tmp_path, "parquet", [True, False], other)
    found = looked(files, "parquet")
    assert found.types["flag"] is kind
    assert len(found.unlike) == bool(words)
    if words:
        assert words.format(*files) in found.unlike[0].words


def test_what_is_asked_to_be_text_is_not_told_of(tmp_path: Path) -> None:
    files = written(tmp_path, "csv", ["12", "13"], ["1a", "13"])
    assert len(looked(files, "csv").unlike) == 1
    assert not looked(files, "csv", codes=("flag",)).unlike


def test_numbers_of_two_kinds_are_numbers(tmp_path: Path) -> None:
    files = written(tmp_path, "csv", ["12", "13"], ["1.5", "13"])
    found = looked(files, "csv")
    assert (found.types["flag"], found.unlike) == (ColumnType.FLOAT, [])


@pytest.mark.parametrize(("features", "told"), [({}, 1), ({"flag": "ignored"}, 0)])
def test_the_run_keeps_it_for_those_who_read_the_verdict(
    tmp_path: Path, features: Any, told: int
) -> None:
    for place, spelling in enumerate(["upper", "digits"]):
        flags = SPELLINGS[spelling] * 50
        rows = "".join(f"{flag},{row},{row % 2}\n" for row, flag in enumerate(flags))
        (tmp_path / f"{place}.csv").write_text(f"flag,x,y\n{rows}")
    recipe = Recipe.model_validate(
        {
            "name": "r",
            "data": {"path": str(tmp_path / "*.csv")},
            "label": "y",
            "task": "binary",
            "features": features,
        }
    )
    artifact = execute(ExampleGen(recipe.data, recipe.labels, "1"), tmp_path / "out")
    written = artifact.get_string_custom_property(unlike_files.PROPERTY)
    found = unlike_files.read({unlike_files.PROPERTY: written})
    assert [each.column for each in found] == ["flag"]
    assert len(list(unlike_files.about(found, recipe))) == told
