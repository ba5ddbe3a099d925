"""What the table says of outcomes; nothing is trained here."""

from __future__ import annotations

from benchmarks import few_shot
from benchmarks.few_shot import Outcome


def test_equal_is_not_better():
    _, first, second, last = few_shot.table([Outcome(1, 0.9, 0.8), Outcome(2, 0.8, 0.8)])
    assert first == "| 1 | 0.900 | 0.800 | +0.100 |"
    assert second == "| 2 | 0.800 | 0.800 | +0.000 |"
    assert "better with 1 of 2 seeds" in last


def test_the_recipes_are_there():
    assert few_shot.FIRST.is_file()
    assert few_shot.SECOND.is_file()
