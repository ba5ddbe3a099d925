"""What the comparison of variants says of scores; nothing is trained here."""

import pytest

from benchmarks import judging, references, variants
from trainyard.pipeline.recipe import load_recipe
from trainyard.trainer_modules import registry

SCORES = {"none": [20.0, 24.0], "dot": [21.0, 23.0], "additive": [30.0, 20.0]}


def test_the_mean_over_seeds_decides():
    assert not [*variants.worse(SCORES, 1)]
    assert [*variants.worse(SCORES | {"dot": [21.0, 22.0]}, 1)] == ["dot is worse than none"]


def test_less_can_be_better():
    assert [*variants.worse(SCORES, -1)] == ["additive is worse than none"]


def test_a_line_a_variant():
    lines = list(variants.table("english_french", SCORES))
    assert lines[0].startswith("| english_french | chrf, mean |")
    assert lines[1] == "| none | 22 | 20, 24 |"


@pytest.mark.parametrize("name", variants.COMPARISONS)
def test_variants_are_of_the_recipe_and_one_is_the_recipe_itself(name):
    recipe = load_recipe(judging.ROOT / "recipes" / f"{name}.yaml")
    module = registry.find(recipe.trainer.module)
    for params in variants.COMPARISONS[name].values():
        registry.params(module, {**recipe.trainer.params, **params})
    assert references.GOALS[name].metric in judging.SCORES
    assert variants.own(recipe) in variants.COMPARISONS[name]
