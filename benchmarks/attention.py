"""Compares translation with attention and without it, over several seeds.

    python -m benchmarks.attention               # three seeds
    python -m benchmarks.attention --seeds 5

english_french is run to the pushed model first, in trainyard_out/attention; a second time that is
done from the cache. Then the network trains on what that run's Transform wrote, once with
each kind of attention and each seed, and is judged by chrF on the test split. The goal is that
neither kind is below no attention, in the mean over the seeds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import judging
from trainyard.recipe_schema import Recipe

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "english_french.yaml"
NONE, *KINDS = ("none", "dot", "additive")

Scores = Mapping[str, Sequence[float]]


def main() -> int:
    """Trains, prints a table, and says by its code whether the goal is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attention", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(1, 1 + parser.parse_args().seeds)
    judging.at_home("attention")
    judging.run(RECIPE)
    scores = _scores(seeds)
    sys.stdout.write("\n".join([*table(scores), ""]))
    return 0 if is_met(scores) else 1


def is_met(scores: Scores) -> bool:
    """Whether each kind of attention is at least as good as none, in the mean."""
    means = {kind: statistics.mean(each) for kind, each in scores.items()}
    return all(means[kind] >= means[NONE] for kind in KINDS)


def table(scores: Scores) -> Iterator[str]:
    """Yields a line for each kind."""
    yield "| attention | chrF, mean | of each seed |\n| --- | --- | --- |"
    for kind, each in scores.items():
        seeds = ", ".join(f"{score:.1f}" for score in each)
        yield f"| {kind} | {statistics.mean(each):.2f} | {seeds} |"


def _scores(seeds: range) -> dict[str, list[float]]:
    from trainyard.pipeline.recipe import load_recipe

    recipe = load_recipe(RECIPE)
    splits = judging.read(recipe)
    return {
        kind: [_chrf(_looking(recipe, kind), splits, seed) for seed in seeds]
        for kind in (NONE, *KINDS)
    }


def _looking(recipe: Recipe, kind: str) -> Recipe:
    params = {**recipe.trainer.params, "attention": kind}
    trainer = recipe.trainer.model_copy(update={"params": params})
    return recipe.model_copy(update={"trainer": trainer})


def _chrf(recipe: Recipe, splits: Mapping[str, judging.Examples], seed: int) -> float:
    from trainyard.components.evaluator import text_metrics
    from trainyard.trainer_modules.harness import names

    told = judging.answers(recipe, splits, seed, names.EVALUATION)
    return text_metrics.CorpusChrf.value(text_metrics.TextSums.counts(told).sum(axis=0))


if __name__ == "__main__":
    raise SystemExit(main())
