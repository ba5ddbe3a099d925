"""Compares a network that starts from a pushed model with the same network from scratch.

    python -m benchmarks.few_shot                 # five seeds
    python -m benchmarks.few_shot --seeds 10
    python -m benchmarks.few_shot --epochs 160    # of both, instead of the recipe's

mnist_pretrain and mnist_few_shot are run to the pushed model first, in trainyard_out/few_shot;
a second time that is done from the cache. Then both networks train on what that run's Transform
wrote, ten images of each of five digits, once with each seed:

- pretrained: as recipes/mnist_few_shot.yaml says,
- from scratch: the layers of recipes/mnist_pretrain.yaml, all from random numbers, with the
  augmentation, batches, optimizer, schedule and epochs of mnist_few_shot.

Both are judged after their last step, on the test split. The goal is that the pretrained one is
better with every seed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks import judging
from trainyard.recipe_schema import Recipe

FIRST, SECOND = (judging.ROOT / "recipes" / f"mnist_{n}.yaml" for n in ("pretrain", "few_shot"))


class Outcome(NamedTuple):
    """Accuracy on the test split after training with one seed."""

    seed: int
    pretrained: float
    scratch: float

    @property
    def is_better(self) -> bool:
        """Whether the pretrained network is."""
        return self.pretrained > self.scratch


def main() -> int:
    """Trains, prints a table, and says by its code whether the goal is met."""
    options = _options()
    judging.at_home("few_shot")
    for file in (FIRST, SECOND):
        judging.run(file)
    outcomes: list[Outcome] = []
    for line in table(_outcomes(range(1, 1 + options.seeds), options.epochs, outcomes)):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0 if all(outcome.is_better for outcome in outcomes) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_shot", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="of both networks, instead of the recipe's")
    return parser.parse_args()


def table(outcomes: Iterator[Outcome] | Sequence[Outcome]) -> Iterator[str]:
    """Yields the table's lines, each as soon as it is known.

    Args:
        outcomes: One a seed.
    """
    yield "| seed | pretrained | from scratch | better by |\n| --- | --- | --- | --- |"
    better = total = 0
    for one in outcomes:
        difference = one.pretrained - one.scratch
        yield f"| {one.seed} | {one.pretrained:.3f} | {one.scratch:.3f} | {difference:+.3f} |"
        better, total = better + one.is_better, total + 1
    yield f"\nThe pretrained network is better with {better} of {total} seeds."


def _outcomes(seeds: range, epochs: int | None, kept: list[Outcome]) -> Iterator[Outcome]:
    from trainyard.pipeline.recipe import load_recipe

    few_shot, first = load_recipe(SECOND), load_recipe(FIRST)
    if epochs:
        few_shot = _trained_as(few_shot, epochs=epochs)
    scratch, splits = from_scratch(few_shot, first), judging.read(few_shot)
    for seed in seeds:
        rates = (judging.score(recipe, splits, seed) for recipe in (few_shot, scratch))
        kept.append(Outcome(seed, *rates))
        yield kept[-1]


def from_scratch(few_shot: Recipe, first: Recipe) -> Recipe:
    """Returns what trains the same layers on the same batches, all from random numbers.

    Args:
        few_shot: The recipe of the pretrained network.
        first: The recipe that pretrained it.
    """
    augmentation = few_shot.trainer.params["augmentation"]
    params = {**first.trainer.params, "augmentation": augmentation}
    return _trained_as(few_shot, module=first.trainer.module, params=params)


def _trained_as(recipe: Recipe, **changes: Any) -> Recipe:
    return recipe.model_copy(update={"trainer": recipe.trainer.model_copy(update=changes)})


if __name__ == "__main__":
    raise SystemExit(main())
