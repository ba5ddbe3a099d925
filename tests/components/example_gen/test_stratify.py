"""Rows of each class are divided in the given shares, whatever else there is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.components.example_gen.test_executor import execute, splits
from tests.components.example_gen.test_splits import BUCKETS, assigned, written
from trainyard.components.example_gen.component import ExampleGen
from trainyard.recipe_schema import Data, Label, Recipe

DATA = Data(path="x", split={"stratify": "y"})
LABELS = {"label": Label.model_validate("y")}
SHARES = np.array([*BUCKETS.values()]) / sum(BUCKETS.values())


def divided(*files: Path) -> dict[tuple[str, int], int]:
    return assigned(DATA, *files, labels=LABELS)


def table(file: Path, classes: list[str], start: int = 0) -> Path:
    rows = [[str(start + i), name] for i, name in enumerate(classes)]
    return written(file, ["x", "y"], rows)


def counts(found: dict, classes: list[str]) -> dict[str, list[int]]:
    places = Counter((classes[number - 1], place) for (_, number), place in found.items())
    return {name: [places[name, place] for place in range(3)] for name in set(classes)}


@pytest.mark.parametrize("rare", [11, 22, 55, 110])
def test_every_class_is_in_every_split_by_its_share(tmp_path, rare):
    classes = ["a"] * 1100 + ["b"] * rare
    found = counts(divided(table(tmp_path / "1.csv", classes)), classes)
    assert found["a"] == [800, 100, 200]
    assert found["b"] == [8 * rare // 11, rare // 11, 2 * rare // 11]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from("aab"), min_size=1, max_size=60))
def test_no_split_is_far_from_its_share(tmp_path, classes):
    for name, each in counts(divided(table(tmp_path / "1.csv", classes)), classes).items():
        assert np.abs(np.array(each) - SHARES * classes.count(name)).max() < 3, name


def test_which_rows_are_held_out_follows_no_pattern(tmp_path):
    found = divided(table(tmp_path / "1.csv", ["a"] * 5500))
    held_out = [number for (_, number), place in found.items() if place]
    by_place = np.bincount(np.array(held_out) % 11, minlength=11)
    assert np.abs(by_place - 1500 / 11).max() < 4 * (500 * 3 / 11 * 8 / 11) ** 0.5


def test_rows_added_at_the_end_of_a_file_move_none(tmp_path):
    few = divided(table(tmp_path / "1.csv", ["a", "b", "b"] * 30))
    many = divided(table(tmp_path / "1.csv", ["a", "b", "b"] * 40))
    assert {place: many[place] for place in few} == few


def test_files_that_come_or_go_move_no_row(tmp_path):
    files = [
        table(tmp_path / f"{number}.csv", ["a", "a", "b"] * 40, start=1000 * number)
        for number in range(4)
    ]
    all_of_them = divided(*files)
    for some in (files[:1], files[2:], [files[0], files[3]]):
        alone = divided(*some)
        assert {place: all_of_them[place] for place in alone} == alone


@pytest.mark.parametrize("times", [2, 30, 2515])
def test_equal_rows_stay_together_and_leave_the_shares(tmp_path, times):
    rows = [[str(i), "ab"[i % 2]] for i in range(5868)]
    rows[100:100] = [["same", "a"]] * times
    found = divided(written(tmp_path / "1.csv", ["x", "y"], rows))
    assert len({found["1.csv", 101 + i] for i in range(times)}) == 1
    classes = [name for _, name in rows]
    for name, each in counts(found, classes).items():
        assert np.abs(np.array(each) - SHARES * classes.count(name)).max() <= 2


def test_an_equal_row_in_another_file_is_where_the_first_is(tmp_path):
    files = [table(tmp_path / f"{number}.csv", ["a", "b"] * 50) for number in range(2)]
    found = divided(*files)
    assert all(found["0.csv", row] == found["1.csv", row] for row in range(1, 101))


def test_a_computed_label_and_a_condition(tmp_path):
    rows = [[str(i), str(i % 4)] for i in range(1100)]
    file = written(tmp_path / "1.csv", ["x", "z"], rows)
    data = Data(path=str(file), split={"stratify": "y"}, where="z < 2")
    labels = {"label": Label.model_validate({"name": "y", "expression": "x < 440"})}
    artifact = execute(ExampleGen(data, labels, "1"), tmp_path / "out")
    found = {
        split: Counter(e.features.feature["y"].int64_list.value[0] for e in examples)
        for split, examples in splits(artifact).items()
    }
    assert found == {
        "train": {1: 176, 0: 264},
        "eval": {1: 22, 0: 33},
        "test": {1: 22, 0: 33},
    }


@pytest.mark.parametrize(
    ("data", "task", "message"),
    [
        ({"key": "x"}, "binary", "have their place already"),
        ({"split": {"in_order": True}}, "binary", "have their place already"),
        ({"split": {"stratify": "x"}}, "binary", "no label with classes; there is 'y'"),
        ({}, "regression", "no label with classes; there is none"),
        (
            {"where": "image_width > 9", "images": {"source": "x"}},
            "binary",
            "asks for 'image_width'",
        ),
    ],
)
def test_what_has_no_answer_is_refused(data, task, message):
    split = {"stratify": "y", **data.get("split", {})}
    recipe = {"name": "a", "data": {"path": "x", **data, "split": split}, "label": "y"}
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate({**recipe, "task": task})
