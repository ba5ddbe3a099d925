"""A row stays in its split, whatever files come later and whatever format they have."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainyard.components.example_gen import identity, reader, splits
from trainyard.components.example_gen.splits import Splitter
from trainyard.errors import RecipeError
from trainyard.recipe_schema import Data, Label

BUCKETS = {"train": 8, "eval": 1, "test": 2}


def assigned(
    data: Data, *files: Path, labels: dict[str, Label] | None = None
) -> dict[tuple[str, int], int]:
    """The split of each row, by its file's name and its number there."""
    types = reader.columns(data, files)
    choose = splits.chooser(data, files, types, labels or {}, BUCKETS)
    splitter = Splitter(list(BUCKETS), BUCKETS, choose)
    return {
        (block.file.name, int(number)): int(split)
        for block in reader.blocks(data, files, types)
        for number, split in zip(
            block.numbers, splitter.assign(block, identity.rows(block.raw)), strict=True
        )
    }


def written(file: Path, header: list[str], rows: list[list[str]]) -> Path:
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return file


def table(folder: Path, name: str = "a.csv", rows: int = 400) -> Path:
    lines = [[str(i % 50), "" if i % 7 == 0 else f"n{i % 30}", str(i / 7)] for i in range(rows)]
    return written(folder / name, ["id", "name", "share"], lines)


@pytest.mark.parametrize("key", [None, "id", "name", "share", ("id", "name")])
def test_shares_are_about_the_buckets(tmp_path, key):
    found = np.bincount(list(assigned(Data(path="x", key=key), table(tmp_path)).values()))
    assert len(found) == 3 or isinstance(key, tuple)  # those are few groups
    if key is None:
        assert found.tolist() == pytest.approx([400 * 8 / 11, 400 / 11, 800 / 11], abs=35)


@pytest.mark.parametrize("late", ["30.5", "unknown", "99999999999999999999", "2024-01-01"])
@pytest.mark.parametrize("key", [None, "id", ("id", "other")])
def test_a_wider_type_moves_no_row(tmp_path, late, key):
    rows = [[str(i % 90), str(1000 + i % 80), str(i)] for i in range(300)]
    first = written(tmp_path / "1.csv", ["id", "other", "x"], rows)
    second = written(tmp_path / "2.csv", ["id", "other", "x"], [[late, late, late]])
    data = Data(path="x", key=key)
    alone, together = assigned(data, first), assigned(data, first, second)
    assert {place: together[place] for place in alone} == alone


FIELDS = st.sampled_from(["1", "2", "3.5", "007", "x", "", "1e3", "true", "9007199254740993", " 4"])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=8), min_size=2, max_size=4),
    st.sampled_from([None, "a"]),
)
def test_more_files_move_no_row(tmp_path, contents, key):
    files = [
        written(tmp_path / f"{number}.csv", ["a", "b", "c"], [[*row, "0"] for row in rows])
        for number, rows in enumerate(contents)
    ]
    data = Data(path="x", key=key)
    all_of_them = assigned(data, *files)
    for chosen in (files[:1], files[1:], files[::-1]):
        some = assigned(data, *chosen)
        assert {place: all_of_them[place] for place in some} == some


@pytest.mark.parametrize("key", [None, "id", ("id", "name")])
def test_csv_and_parquet_are_divided_alike(tmp_path, key):
    file = table(tmp_path)
    frame = pd.read_csv(file, float_precision="round_trip")
    frame["share"] = frame["share"].astype("float64")
    frame["id"] = frame["id"].astype("float64")  # as pandas does where one is missing
    frame.to_parquet(tmp_path / "a.parquet")
    from_csv = assigned(Data(path="x", key=key), file)
    from_parquet = assigned(Data(path="x", key=key, format="parquet"), tmp_path / "a.parquet")
    assert list(from_csv.values()) == list(from_parquet.values())


def test_other_names_in_the_recipe_move_no_row(tmp_path):
    file = table(tmp_path)
    plain = assigned(Data(path="x", key="id"), file)
    assert assigned(Data(path="x", key="new", columns={"new": "id", "b": "name"}), file) == plain
    assert assigned(Data(path="x"), file) == assigned(Data(path="x", columns={"b": "id"}), file)


def test_equal_keys_share_a_split(tmp_path):
    found = assigned(Data(path="x", key="id"), table(tmp_path))
    by_key: dict[int, set[int]] = {}
    for (_, number), split in found.items():
        by_key.setdefault((number - 1) % 50, set()).add(split)
    assert all(len(names) == 1 for names in by_key.values())


def test_a_group_is_where_its_first_row_is(tmp_path):
    header = ["id", "other"]
    first = written(tmp_path / "1.csv", header, [[f"a{i}", f"b{i}"] for i in range(100)])
    more = [[f"b{i}", f"c{i}.{j}"] for i in range(100) for j in range(5)]
    second = written(tmp_path / "2.csv", header, more)
    data = Data(path="x", key=("id", "other"))
    alone, together = assigned(data, first), assigned(data, first, second)
    assert {place: together[place] for place in alone} == alone
    assert all(
        together["2.csv", 5 * i + j + 1] == alone["1.csv", i + 1]
        for i in range(100)
        for j in range(5)
    )


def test_a_key_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match="did you mean 'name'"):
        assigned(Data(path="x", key="nam"), table(tmp_path))
