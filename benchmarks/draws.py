"""Trains a recipe of images on other rows than those it is reported on: how much of it is luck?

    python -m benchmarks.draws recipes/mnist_cnn.yaml --draws 5

The recipe is run to the pushed model first, in trainyard_out/draws; a second time that is done
from the cache. Then all its rows are dealt anew to splits of the same sizes, once with each seed,
and the network is trained from the start and judged on what is now the test split. A recipe that
was tuned on the rows it is reported on shows it here, by a lower mean.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean, stdev

from benchmarks import judging


def main() -> int:
    """Trains, and prints a table and its mean and spread."""
    options = _options()
    judging.at_home("draws")
    judging.run(options.recipe.absolute())
    for line in table(_accuracies(options.recipe, range(1, 1 + options.draws))):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.draws", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    return parser.parse_args()


def table(accuracies: Iterable[float]) -> Iterator[str]:
    """Yields the table's lines, each as soon as it is known.

    Args:
        accuracies: One a draw, the first by seed 1; two or more.
    """
    yield "| draw and seed | accuracy |\n| --- | --- |"
    seen = []
    for seed, accuracy in enumerate(accuracies, start=1):
        seen.append(accuracy)
        yield f"| {seed} | {accuracy:.3f} |"
    yield f"\nMean {mean(seen):.3f}, standard deviation {stdev(seen):.3f}, least {min(seen):.3f}."


def _accuracies(file: Path, seeds: range) -> Iterator[float]:
    from trainyard.pipeline.recipe import load_recipe

    recipe = load_recipe(file)
    splits = judging.read(recipe)
    for seed in seeds:
        yield judging.score(recipe, judging.redrawn(splits, seed), seed)


if __name__ == "__main__":
    raise SystemExit(main())
