"""How generation is measured: turns that count, and what is compared."""

from benchmarks import generation


def test_the_first_turn_does_not_count():
    calls = []
    found = generation.rates({"inside": lambda: calls.append(1)}, length=10, repeats=3)
    assert len(calls) == 4
    assert len(found["inside"]) == 3
    assert min(found["inside"]) > 0


def test_the_faster_loop_is_what_is_compared_with():
    measured = {"inside": [900.0, 1000.0, 1100.0], "step": [100.0] * 3, "whole": [20.0] * 3}
    assert generation.times_faster(measured) == 10
    lines = list(generation.table(measured))
    assert lines[0] == "| inside | 1,000 (900 to 1,100) | 10.0 |"
    assert lines[2].endswith("| 0.2 |")


def test_the_verdict_is_of_the_goal():
    slow = {"inside": [40.0], "step": [10.0], "whole": [5.0]}
    assert generation.verdict(slow).startswith("The goal is not reached: ")
    assert "reached: inside the SavedModel it is 6.0" in generation.verdict(slow | {"inside": [60]})
