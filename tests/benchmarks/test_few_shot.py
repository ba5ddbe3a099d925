"""What the table says of outcomes; nothing is trained here."""

from __future__ import annotations

from ruamel.yaml import YAML

from benchmarks import few_shot
from benchmarks.few_shot import Outcome
from trainyard.recipe_schema import Recipe


def test_equal_is_not_better():
    _, first, second, last = few_shot.table([Outcome(1, 0.9, 0.8), Outcome(2, 0.8, 0.8)])
    assert first == "| 1 | 0.900 | 0.800 | +0.100 |"
    assert second == "| 2 | 0.800 | 0.800 | +0.000 |"
    assert "better with 1 of 2 seeds" in last


def test_the_recipes_are_there():
    assert few_shot.FIRST.is_file()
    assert few_shot.SECOND.is_file()


def recipe(file):
    return Recipe.model_validate(YAML(typ="safe").load(file.read_text()))


def test_from_scratch_has_the_same_layers_and_the_same_training():
    pretrained, first = (recipe(file) for file in (few_shot.SECOND, few_shot.FIRST))
    scratch = few_shot.from_scratch(pretrained, first)
    assert scratch.trainer.module == first.trainer.module
    changed = {
        key
        for key in first.trainer.params
        if scratch.trainer.params[key] != first.trainer.params[key]
    }
    assert changed <= {"augmentation"}
    same = {"module": pretrained.trainer.module, "params": pretrained.trainer.params}
    assert scratch.trainer.model_copy(update=same) == pretrained.trainer
    for shared in ("augmentation", "dropout"):
        assert scratch.trainer.params[shared] == pretrained.trainer.params[shared]
