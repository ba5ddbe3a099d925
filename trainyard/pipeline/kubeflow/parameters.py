"""What of a recipe is worth changing from run to run: parameters of the compiled pipeline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trainyard.recipe_schema import Recipe
from trainyard.recipe_schema.evaluation import Bound

_SPAN = re.compile(r"\{SPAN(:\d+)?\}|\{YYYY\}.*\{DD(:\d+)?\}")


@dataclass(frozen=True)
class Parameter:
    """A value of the recipe that a run may have another of.

    Attributes:
        name: What the pipeline calls it.
        key: The recipe's dotted key.
        value: What the recipe says; its type is the parameter's.
        around: The text of the key's value before and after the parameter.
    """

    name: str
    key: str
    value: int | float | str
    around: tuple[str, str] = ("", "")

    def change(self, value: object) -> str:
        """Writes what `run-node --set` takes.

        Args:
            value: The value, or what stands for it.
        """
        before, after = self.around
        return f"{self.key}={before}{value}{after}"


def parameters(recipe: Recipe) -> tuple[Parameter, ...]:
    """Finds the parameters of a recipe.

    Args:
        recipe: As its file has it.

    Returns:
        The span, the length of the training, and each bound, as far as the recipe has them.
    """
    return (*_span(recipe), *_length(recipe), *_bounds(recipe))


def _span(recipe: Recipe) -> Iterator[Parameter]:
    path = recipe.data.path or ""
    if found := _SPAN.search(path):
        around = path[: found.start()], path[found.end() :]
        yield Parameter("span", "data.path", found.group(), around)


def _length(recipe: Recipe) -> Iterator[Parameter]:
    for name in ("epochs", "steps"):
        if value := getattr(recipe.trainer, name):
            yield Parameter(name, f"trainer.{name}", value)


def _bounds(recipe: Recipe) -> Iterator[Parameter]:
    section = recipe.evaluation
    for number, bound in enumerate(section.thresholds or ()):
        for end in ("min", "max"):
            if (value := getattr(bound, end)) is not None:
                yield Parameter(_name(bound, end), f"evaluation.thresholds.{number}.{end}", value)
    for number, change in enumerate(section.change):
        key = f"evaluation.change.{number}.worse_by"
        yield Parameter(_name(change, "worse_by"), key, change.worse_by)


def _name(bound: Bound, end: str) -> str:
    values = bound.slice.values() if isinstance(bound.slice, dict) else ()
    words = [bound.head or "", bound.metric, end, *bound.slice_columns, *map(str, values)]
    return re.sub(r"\W+", "_", "_".join(filter(None, words)).lower()).strip("_")
