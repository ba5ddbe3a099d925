"""Rows that share values, in any of several columns, stay together."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.components.example_gen.test_executor import execute, splits
from trainyard.components.example_gen.component import ExampleGen
from trainyard.components.example_gen.groups import Groups
from trainyard.components.example_gen.reader import Block
from trainyard.errors import RecipeError
from trainyard.recipe_schema import Data, Label


def block(first: list, second: list) -> Block:
    batch = pa.RecordBatch.from_pydict({"first": first, "second": second})
    return Block(batch, Path("f"), np.arange(len(first)) + 1, 1.0)


def grouped(*blocks: Block) -> list[set[int]]:
    """The rows of each group, in order of the first of each."""
    groups = Groups(Data(path="x", key=("first", "second")), blocks)
    keys = [int(key) for each in blocks for key in groups.of(each)]
    found: dict[int, set[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, set()).add(row)
    return list(found.values())


def test_values_are_shared_across_columns_and_blocks():
    first = block(["a", "c", "x", "p"], ["b", "d", "y", "q"])
    second = block(["d", "z", "e"], ["b", "x", "f"])  # links a-b with c-d, and x-y with z
    assert grouped(first, second) == [{0, 1, 4}, {2, 5}, {3}, {6}]


def test_a_missing_value_links_nothing():
    rows = block(["a", None, "b", None, None], [None, "a", None, None, "c"])
    assert grouped(rows) == [{0, 1}, {2}, {3}, {4}]


def test_integers():
    assert grouped(block([1, 2, 3], [4, 3, 5])) == [{0}, {1, 2}]


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_connected_components(seed):
    chance = random.Random(seed)
    pairs = [(chance.randrange(300), chance.randrange(300)) for _ in range(130)]
    rows = block([a for a, _ in pairs], [b for _, b in pairs])
    expected: list[tuple[set[int], set[int]]] = []  # rows and their values
    for row, values in enumerate(pairs):
        linked = [each for each in expected if each[1] & set(values)]
        expected = [each for each in expected if each not in linked]
        together = (
            {row}.union(*(r for r, _ in linked)),
            set(values).union(*(v for _, v in linked)),
        )
        expected.append(together)
    assert sorted(map(sorted, grouped(rows))) == sorted(sorted(r) for r, _ in expected)


def test_a_number_is_the_same_in_any_type():
    assert grouped(block([1.5, 2.0, 4.0], ["3", "1.5", "2"])) == [{0, 1, 2}]


def written(folder: Path) -> Path:
    """Chains: every other row shares its second value with the next row."""
    rows = [f"s{i},s{i + 1},{i % 2}" for i in range(600) if i % 3 < 2]
    file = folder / "pairs.csv"
    file.write_text("\n".join(["first,second,same", *rows]) + "\n")
    return file


def test_no_value_is_in_two_splits(tmp_path):
    data = Data(path=str(written(tmp_path)), key=("first", "second"))
    artifact = execute(
        ExampleGen(data, {"label": Label.model_validate("same")}, "1"), tmp_path / "out"
    )
    values = [
        {
            e.features.feature[side].bytes_list.value[0]
            for e in examples
            for side in ("first", "second")
        }
        for examples in splits(artifact).values()
    ]
    assert sum(map(len, values)) == 600
    assert all(not (a & b) for a, b in itertools.combinations(values, 2))


def test_no_such_column(tmp_path):
    data = Data(path=str(written(tmp_path)), key=("first", "seconds"))
    with pytest.raises(RecipeError, match="did you mean 'second'"):
        execute(ExampleGen(data, {"label": Label.model_validate("same")}, "1"), tmp_path / "out")


def test_either_by_key_or_in_order():
    with pytest.raises(ValueError, match="either by a `key` or `in_order`"):
        Data(path="x", key="a", split={"in_order": True})
