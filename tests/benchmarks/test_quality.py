"""What the page says of a recipe; nothing is run here."""

from __future__ import annotations

from benchmarks import quality, references

REACHED = {
    "name": "mnist_cnn",
    "metric": "accuracy",
    "reached": 0.97444,
    "floor": 0.95,
    "trivial": 0.1487,
    "linear": 0.8256,
    "boosted": None,
    "shortfalls": [],
    "pushed": True,
    "seconds": 61.4,
    "commit": "abc1234",
}


def test_a_recipe_that_reached_its_reference():
    figures = "0.9744 | 0.95 | 0.1487 | 0.8256 |  |  | reached, pushed | 61 | abc1234 |"
    assert quality._line(REACHED) == f"| mnist_cnn | accuracy | {figures}"


def test_what_fell_short_is_the_verdict():
    entry = {**REACHED, "shortfalls": ["accuracy 0.9 against 0.95 of the stated floor"]}
    assert "| accuracy 0.9 against 0.95 of the stated floor |" in quality._line(entry)


def test_what_a_machine_has_not_got_is_said_and_is_no_shortfall():
    said = "error: trainer.params.weights: the ImageNet weights cannot be downloaded\n  expected: a"
    entry = quality._not_run("ants_bees_transfer", said) | {"commit": "abc1234"}
    assert entry["shortfalls"] == []
    why = "not run: trainer.params.weights: the ImageNet weights cannot be downloaded"
    row = quality._line(entry)
    assert row == f"| ants_bees_transfer | accuracy |  |  |  |  |  |  | {why} |  | abc1234 |"


def test_a_recipe_comes_after_the_one_that_it_starts_from():
    names = list(references.GOALS)
    assert names.index("mnist_pretrain") < names.index("mnist_few_shot")


def test_a_head_is_held_against_the_network_that_has_nothing_else_to_learn():
    row = {key: REACHED[key] for key in ("metric", "reached", "pushed", "seconds", "commit")}
    row |= {"name": "two, one of them", "alone": 0.98, "shortfalls": []}
    figures = "0.9744 |  |  |  |  | 0.98 | reached, pushed | 61 | abc1234 |"
    assert quality._line(row) == f"| two, one of them | accuracy | {figures}"
