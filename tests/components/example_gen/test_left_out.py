"""Rows that the recipe does not want."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from tests.components.example_gen.test_executor import execute, rows, splits
from tests.support.example_gen import quick_look
from trainyard.components.example_gen import left_out, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.component import ExampleGen
from trainyard.components.example_gen.executor import SET_ASIDE
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data, Label, Recipe

INTEGER = ColumnType.INTEGER
LABEL = Label.model_validate("place")


def values(examples, name: str) -> list:
    found = (example.features.feature[name] for example in examples)
    return [(each.int64_list.value or each.bytes_list.value)[0] for each in found]


def written(tmp_path, name: str, **data):
    file = rows(tmp_path)
    artifact = execute(
        ExampleGen(Data(path=str(file), **data), {"label": LABEL}, "1"), tmp_path / name
    )
    return artifact, splits(artifact)


def counted(artifact) -> dict[str, int]:
    return json.loads(artifact.get_string_custom_property(left_out.PROPERTY))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("number > 1", [2, 3]),
        ("number > 1 or text == 'a'", [1, 2, 3, None]),  # known, whatever is missing
        ("number > 1 and text == 'a'", []),
        ("number is missing or number in (1, 3)", [1, 3, None]),
        ("flag", [1, 3]),
        ("not flag", [2]),
        ("flag == True", [1, 3]),
        ("not number > 1", [1]),
        ("list < 3", [1, 2]),
        ("absent > 0", []),
    ],
)
def test_a_row_for_which_it_is_missing_does_not_fit(where, expected):
    columns = {
        "number": pa.array([1, 2, 3, None]),
        "text": pa.array(["a", None, "b", "a"]),
        "list": pa.array([[1], [2], [3], []]),
        "flag": pa.array([1, 0, 1, None]),
    }
    block = Block(pa.RecordBatch.from_pydict(columns), Path("f"), 1 + np.arange(4), 1.0)
    kept, counts = left_out.labelled(Data(path="f", where=where), {}, block)
    assert kept.batch.column("number").to_pylist() == expected
    assert counts == {left_out.WHERE: 4 - len(expected)}


def test_only_rows_that_fit_are_written_and_stay_where_they_were(tmp_path):
    _, everything = written(tmp_path, "all")
    artifact, found = written(tmp_path, "some", where="fare < 100")
    for split, examples in found.items():
        assert values(examples, "fare") == [f for f in values(everything[split], "fare") if f < 100]
    assert counted(artifact) == {left_out.WHERE: 200}


def test_so_many_of_each_class_are_trained_on(tmp_path):
    _, everything = written(tmp_path, "all")
    artifact, found = written(tmp_path, "few", split={"train_per_class": 3})
    assert Counter(values(found["train"], "place")) == {f"p{i}".encode(): 3 for i in range(9)}
    for split in ("eval", "test"):  # what is held out does not depend on it
        assert found[split] == everything[split]
    assert counted(artifact) == {left_out.TRAIN_PER_CLASS: len(everything["train"]) - 27}
    classes = values(everything["train"], "place")
    fares = zip(classes, values(everything["train"], "fare"), strict=True)
    first = [fare for name, fare in fares if name == b"p1"][:3]
    trained = zip(values(found["train"], "place"), values(found["train"], "fare"), strict=True)
    assert [fare for name, fare in trained if name == b"p1"] == first


def test_the_first_are_counted_over_all_blocks():
    few = left_out.FewOfEachClass(2)
    train = np.array([True, True, False, True])
    assert few.surplus(pa.array(["a", "a", "a", "b"]), train).tolist() == []
    assert few.surplus(pa.array(["b", "a", "a", "b"]), train).tolist() == [1, 3]
    assert few.surplus(pa.array([[1], [1], [1], [1]]), train).tolist() == [3]


def test_nothing_left(tmp_path):
    with pytest.raises(DataError, match=r"left out: 300 that do not fit data\.where"):
        written(tmp_path, "none", where="fare < 0")


def test_a_column_that_is_not_there(tmp_path):
    data = Data(path=str(rows(tmp_path)), where="fares < 3")
    with pytest.raises(RecipeError, match=r"(?s)data\.where.*did you mean 'fare'"):
        quick_look(data, {"label": LABEL}, [tmp_path / "rows.csv"])
    with pytest.raises(RecipeError, match="did you mean 'fare'"):
        execute(ExampleGen(data, {"label": LABEL}, "1"), tmp_path / "out")


def divided() -> Block:
    columns = {"fare": pa.array([0, 2, 4, None]), "tips": pa.array([1, 2, 1, 1])}
    return Block(pa.RecordBatch.from_pydict(columns), Path("f"), 1 + np.arange(4), 1.0)


def big_tip(**data) -> tuple[Block, Counter[str]]:
    label = Label(name="big", expression="tips / fare > 0.5")
    return left_out.labelled(Data(path="f", **data), {"label": label}, divided())


def test_the_condition_comes_before_the_label():
    with pytest.raises(DataError, match=r"f, row 1: the label .* has no result: fare is 0"):
        big_tip()
    kept, counts = big_tip(where="fare > 0")
    assert kept.batch.to_pydict() == {"fare": [2, 4], "tips": [2, 1], "big": [1, 0]}
    assert counts == {left_out.WHERE: 2}


def test_a_condition_on_the_label_comes_after_it():
    kept, counts = big_tip(where="big == 1", on_bad_row="quarantine")
    assert kept.batch.to_pydict() == {"fare": [2], "tips": [2], "big": [1]}
    assert counts == {left_out.WHERE: 2}
    assert [each.row for each in kept.bad] == [1]


def test_a_row_for_which_the_condition_has_no_result():
    with pytest.raises(DataError, match=r"f, row 1: the condition"):
        big_tip(where="tips / fare > 0.1")
    kept, counts = big_tip(where="tips / fare > 0.1", on_bad_row="quarantine")
    assert kept.batch.column("fare").to_pylist() == [2, 4]
    assert (counts, [each.row for each in kept.bad]) == ({left_out.WHERE: 1}, [1])


def test_rows_without_a_label_are_in_the_quarantine_file(tmp_path):
    file = tmp_path / "trips.csv"
    file.write_text("fare,tips\n" + "".join(f"{i % 50},{i}\n" for i in range(500)))
    data = Data(path=str(file), on_bad_row="quarantine")
    label = Label(name="big", expression="tips / fare > 2")
    artifact = execute(ExampleGen(data, {"label": label}, "1"), tmp_path / "out")
    assert artifact.get_int_custom_property(SET_ASIDE) == 10
    lines = (Path(artifact.uri) / "quarantine" / "rows.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    assert (first["row"], first["text"]) == (1, "fare=0, tips=0")
    assert first["detail"] == "fare is 0 in a division"
    with pytest.raises(DataError, match=r"trips\.csv, row 1"):
        execute(ExampleGen(Data(path=str(file)), {"label": label}, "1"), tmp_path / "strict")


def test_a_flag_that_is_no_flag():
    with pytest.raises(DataError, match=r"f, row 2: .* tips is neither 0 nor 1"):
        big_tip(where="tips")


def test_text_where_a_number_is_needed(tmp_path):
    data = Data(path=str(rows(tmp_path)), where="place > 3")
    for ask in (
        lambda: quick_look(data, {"label": LABEL}, [tmp_path / "rows.csv"]),
        lambda: execute(ExampleGen(data, {"label": LABEL}, "1"), tmp_path / "out"),
    ):
        with pytest.raises(RecipeError, match=r"data\.where: the column place \(text\)"):
            ask()
    assert not (tmp_path / "out" / "Split-train").exists()


def test_a_column_that_later_rows_turn_into_text(tmp_path, monkeypatch):
    file = tmp_path / "codes.csv"
    file.write_text("code,y\n" + "7,1\n" * 50 + "V30,0\n")
    batch = pa.RecordBatch.from_pydict({"code": [7], "y": [1]})
    types = {"code": INTEGER, "y": INTEGER}
    first = reader.First([file], types, Block(batch, file, np.array([1]), 0.0))
    monkeypatch.setattr(reader, "first", lambda *_: first)
    label = Label.model_validate("y")
    quick_look(Data(path=str(file), where="code == 'V30'"), {"label": label}, [file])
    with pytest.raises(RecipeError, match="is compared with 'a'"):
        quick_look(Data(path=str(file), where="y == 'a'"), {"label": label}, [file])


def test_a_division_by_zero_among_the_first_rows_is_found_by_check(tmp_path):
    file = tmp_path / "trips.csv"
    file.write_text("fare,tips\n1,1\n0,2\n")
    label = Label(name="big", expression="tips / fare > 0.5")
    with pytest.raises(DataError, match=r"trips\.csv, row 2"):
        quick_look(Data(path=str(file)), {"label": label}, [file])
    quick_look(Data(path=str(file), where="fare > 0"), {"label": label}, [file])


@pytest.mark.parametrize("where", ["fare + 1", "1 > 0", "fare <", "len(fare) > 1"])
def test_what_is_no_condition(where):
    with pytest.raises(ValidationError, match=r"comparison of columns|expression"):
        Data(path="f", where=where)


def test_regression_has_no_classes():
    data = {"path": "f", "split": {"train_per_class": 3}}
    with pytest.raises(ValidationError, match="regression has no classes"):
        Recipe.model_validate({"name": "r", "data": data, "label": "y", "task": "regression"})


def test_nothing_is_said_of_what_is_not():
    assert left_out.sentence({}) == ""
    assert left_out.sentence({left_out.WHERE: 0}) == ""
    both = {left_out.WHERE: 1200, left_out.TRAIN_PER_CLASS: 2}
    said = left_out.sentence(both)
    assert said == "1,200 that do not fit data.where, 2 beyond data.split.train_per_class"
