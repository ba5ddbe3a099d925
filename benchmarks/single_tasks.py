"""What a model of several heads is held against: the same network, trained for one of them.

Each head of a recipe becomes a recipe of its own, with `label` and `task` in place of `heads`:
the same rows in the same splits, the same inputs, network, training and seed.

    python -m benchmarks.single_tasks [RECIPE ...]
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from trainyard.pipeline import quiet, workspace
from trainyard.pipeline.evaluation import METRICS
from trainyard.pipeline.recipe import load_recipe
from trainyard.pipeline.records import find_run
from trainyard.recipe_schema import Head, Recipe
from trainyard.trainer_modules.harness import names

ROOT = Path(__file__).parents[1]

GOALS: dict[str, dict[str, str]] = {
    "adult_age_and_income": {"income": "auc", "age": "mae"},
}
"""By recipe and head, the metric that is compared."""

SLACK = 0.01
"""The share by which a head may be worse than the model that has nothing else to learn."""


@dataclass(frozen=True)
class Result:
    """One head's figures on the judged split.

    Attributes:
        head: Its name.
        metric: What is compared.
        reached: The head's.
        alone: That of the model trained for this head alone.
    """

    head: str
    metric: str
    reached: float
    alone: float

    @property
    def worse_by(self) -> float:
        """The share by which the head is worse; negative where it is better."""
        change = (self.reached - self.alone) / self.alone
        return change if METRICS[self.metric].better == "lower" else -change

    @property
    def holds(self) -> bool:
        """Whether the head is within `SLACK` of the other model."""
        return self.worse_by <= SLACK


def compare(recipe: Recipe, reached: Mapping[str, float]) -> Iterator[Result]:
    """Trains a model for each head alone.

    Args:
        recipe: A recipe of several heads, which has been run.
        reached: Its verdict's metrics.

    Yields:
        One result a head.
    """
    for head, metric in GOALS[recipe.name].items():
        alone = _run(_written(recipe, head, metric))
        yield Result(head, metric, reached[names.of(head, metric)], alone[metric])


def alone(recipe: Recipe, head: str, metric: str) -> dict[str, Any]:
    """Makes the recipe of one head, as a recipe file says it.

    Args:
        recipe: The recipe of several heads.
        head: The one that is kept.
        metric: What is measured.
    """
    document = recipe.model_dump(by_alias=True, mode="json", exclude_unset=True)
    kept: Head = recipe.heads[head]
    others = [each.label for name, each in recipe.heads.items() if name != head]
    hidden = {name for label in others for name in (label.name, *label.parsed.columns)}
    document.pop("heads")
    own = {"name": f"{recipe.name}_{head}", **kept.model_dump(include={"label", "task"})}
    trainer = document["trainer"] | kept.model_dump(
        include={"loss", "class_weights"}, exclude_none=True
    )
    columns = {"dataset": None} | recipe.data.model_dump(by_alias=True, mode="json")
    data = {key: value for key, value in columns.items() if value is not None and key != "dataset"}
    features = document.get("features", {}) | dict.fromkeys(sorted(hidden), "ignored")
    own |= {"trainer": trainer, "data": data, "features": features}
    return document | own | {"evaluation": {"metrics": [metric], "thresholds": []}, "push": {}}


def _written(recipe: Recipe, head: str, metric: str) -> Path:
    made = alone(recipe, head, metric)
    folder = workspace.home() / "single_tasks"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{made['name']}.yaml"
    with file.open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump(made, stream)
    return file


def _run(file: Path) -> dict[str, float]:
    """Runs a recipe and returns what its model reached."""
    subprocess.run([sys.executable, "-m", "trainyard", "run", str(file)], check=True)
    return find_run(file.stem).verdict.metrics


def main(chosen: list[str]) -> int:
    """Runs recipes and their heads alone; returns how many heads fell short."""
    quiet.before_imports()
    short = 0
    for name in chosen or GOALS:
        file = ROOT / "recipes" / f"{name}.yaml"
        for result in compare(load_recipe(file), _run(file)):
            short += not result.holds
            print(  # noqa: T201
                f"{name} {result.head}: {result.metric} {result.reached:.4f}, alone "
                f"{result.alone:.4f}: {abs(result.worse_by):.2%} "
                f"{'worse' if result.worse_by > 0 else 'better'}"
            )
    return short


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
