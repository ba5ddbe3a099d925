"""What the table says of rates; nothing is measured here."""

from __future__ import annotations

from pathlib import Path

from benchmarks import input_rate


def test_each_input_is_compared_with_arrays():
    rates = {"arrays": [90.0, 100.0, 2000.0], "held": [79.0, 80.0, 81.0]}
    arrays, held = input_rate.table("taxi", 128, rates)
    assert arrays == "| taxi | 128 | arrays | 100 (90 to 2,000) | 1.00 |"
    assert held == "| taxi | 128 | held | 80 (79 to 81) | 0.80 |"


def test_the_newest_artifact_is_the_one_with_the_largest_number(tmp_path):
    for number in ("9", "10"):
        (tmp_path / number).mkdir()
    assert input_rate.newest(tmp_path) == tmp_path / "10"


def test_the_recipes_are_there():
    assert all(Path(recipe).is_file() for recipe in input_rate.RECIPES)
