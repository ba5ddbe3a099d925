"""Trains a recipe, and variants of it, with several seeds: what is better, and what was luck?

    python -m benchmarks.variants                             # all that are compared
    python -m benchmarks.variants english_french --seeds 5    # one of them

A recipe is run to the pushed model first, in trainyard_out/variants; a second time that is done
from the cache. Then each variant trains on what that run's Transform wrote, once with each seed,
and is judged on the test split. The goals, both in the mean over the seeds:

- no variant is worse than the first,
- the variant that the recipe is reaches what benchmarks/references.py asks of it.

A training's result is kept in trainyard_out/variants/measured.json, so that a benchmark that was
stopped goes on where it was, until the commit is another. The tables are written to
benchmarks/TEXT.md too.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from statistics import mean
from typing import Any

from benchmarks import judging, machine, references, text_page
from trainyard.files import write_whole
from trainyard.pipeline import workspace
from trainyard.pipeline.evaluation import METRICS
from trainyard.pipeline.recipe import dump, load_recipe
from trainyard.pipeline.records import find_run
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules import registry

COMPARISONS: dict[str, dict[str, dict[str, Any]]] = {
    "english_french": {
        "no attention": {"attention": "none"},
        "dot attention": {"attention": "dot"},
        "additive attention": {"attention": "additive"},
    },
    "melbourne_temperature": {
        "stateless": {"stateful": False},
        "stateful": {"stateful": True},
    },
    "review_sentiment": {"as it is": {}},
}
"""By recipe and variant, hyperparameters in place of the recipe's."""

TRAINED_WITH = [
    *(f"trainyard/components/{name}" for name in ("example_gen", "transform", "evaluator")),
    "trainyard/trainer_modules",
    "requirements.lock",
]
"""What a score depends on, beside what the recipe says."""

Scores = Mapping[str, Sequence[float]]
"""By variant, one a seed."""


def main() -> int:
    """Trains, prints a table a recipe, and says by its code whether all goals are met."""
    options = _options()
    judging.at_home("variants")
    short = 0
    for name in options.recipes or COMPARISONS:
        recipe = _run(name)
        scores = _scores(recipe, range(1, 1 + options.seeds))
        shortfalls = [*worse(scores, _sign(name)), *_short_of_references(recipe, scores)]
        lines = [*table(name, scores), "", "; ".join(shortfalls) or "All goals are met."]
        sys.stdout.write("\n".join([*lines, "", ""]))
        text_page.keep("variants", name, lines)
        short += len(shortfalls)
    return 1 if short else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variants", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipes", nargs="*", type=_listed, help="all, if none")
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


def _listed(name: str) -> str:
    if name not in COMPARISONS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(COMPARISONS)}")
    return name


def worse(scores: Scores, sign: float) -> Iterator[str]:
    """Names the variants that are worse than the first, in the mean.

    Args:
        scores: By variant.
        sign: 1 where more is better, else -1.
    """
    first, *others = scores
    for other in others:
        if sign * mean(scores[other]) < sign * mean(scores[first]):
            yield f"{other} is worse than {first}"


def table(name: str, scores: Scores) -> Iterator[str]:
    """Yields a line for each variant.

    Args:
        name: The recipe's.
        scores: By variant.
    """
    metric = references.GOALS[name].metric
    yield f"| {name} | {metric}, mean | of each seed |\n| --- | --- | --- |"
    for variant, each in scores.items():
        yield f"| {variant} | {mean(each):.4g} | {', '.join(f'{one:.4g}' for one in each)} |"


def _sign(name: str) -> float:
    return -1.0 if METRICS[references.GOALS[name].metric].better == "lower" else 1.0


def _run(name: str) -> Recipe:
    file = judging.ROOT / "recipes" / f"{name}.yaml"
    judging.run(file)
    return load_recipe(file)


def _scores(recipe: Recipe, seeds: range) -> dict[str, list[float]]:
    splits, kept = judging.read(recipe), _Kept()
    return {
        variant: [kept.score(_changed(recipe, params), splits, seed) for seed in seeds]
        for variant, params in COMPARISONS[recipe.name].items()
    }


def _changed(recipe: Recipe, params: Mapping[str, Any]) -> Recipe:
    trainer = recipe.trainer.model_copy(update={"params": {**recipe.trainer.params, **params}})
    return recipe.model_copy(update={"trainer": trainer})


def own(recipe: Recipe) -> str:
    """Returns the name of the variant that the recipe itself is."""
    module = registry.find(recipe.trainer.module)
    meant = {
        variant: registry.params(module, _changed(recipe, params).trainer.params)
        for variant, params in COMPARISONS[recipe.name].items()
    }
    itself = registry.params(module, recipe.trainer.params)
    return next(variant for variant, params in meant.items() if params == itself)


def _short_of_references(recipe: Recipe, scores: Scores) -> list[str]:
    """What the recipe's own variant does not reach, in words."""
    found = references.compare(recipe, find_run(recipe.name))
    return replace(found, reached=mean(scores[own(recipe)])).shortfalls


class _Kept:
    """Scores in a file, by commit, recipe and seed."""

    def __init__(self) -> None:
        self._file = workspace.home() / "measured.json"
        self._scores = json.loads(self._file.read_text("utf-8")) if self._file.exists() else {}
        self._commit = machine.commit(TRAINED_WITH)

    def score(self, recipe: Recipe, splits: Mapping[str, judging.Examples], seed: int) -> float:
        """Trains, if that was not done."""
        digest = sha256(dump(recipe).encode()).hexdigest()[:12]
        key = f"{self._commit} {recipe.name} {digest} {seed}"
        if key not in self._scores:
            metric = references.GOALS[recipe.name].metric
            self._scores[key] = judging.score(recipe, splits, seed, metric)
            write_whole(self._file, json.dumps(self._scores, indent=1))
        return float(self._scores[key])


if __name__ == "__main__":
    raise SystemExit(main())
