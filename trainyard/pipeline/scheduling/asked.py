"""What a person asks of the schedule on the command line."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from trainyard.errors import RecipeError
from trainyard.pipeline import ownership
from trainyard.recipe_schema import Recipe, RunSchedule


def wish(recipe: Recipe, cron: str | None, timezone: str | None) -> RunSchedule:
    """When a recipe is to run: as the command says, else as the recipe does.

    Args:
        recipe: The recipe.
        cron: Five fields, if given.
        timezone: An IANA name, if given.

    Raises:
        RecipeError: Neither says when, or what the command says cannot be read.
    """
    if cron is None and recipe.schedule is None:
        raise RecipeError(
            f"the recipe {recipe.name} does not say when it runs",
            hint='say it: --cron "0 3 * * *", or `schedule: {cron: "0 3 * * *"}` in the recipe',
        )
    own = recipe.schedule.model_dump() if recipe.schedule else {}
    given = {key: v for key, v in (("cron", cron), ("timezone", timezone)) if v is not None}
    try:
        return RunSchedule.model_validate(own | given)
    except ValidationError as error:
        (first, *_) = error.errors()
        raise RecipeError(
            first["msg"].removeprefix("Value error, "),
            where=f"--{first['loc'][0]}",
            received=repr(first["input"]),
        ) from None


def name_of(recipe: str) -> str:
    """The name of a recipe that is given by its name or by its file.

    Args:
        recipe: One of the two; a recipe whose file is gone still has its name.

    Raises:
        RecipeError: It is a file that is none or no recipe, or another file has that name.
    """
    is_file = Path(recipe).suffix in (".yaml", ".yml") or "/" in recipe
    return ownership.load(Path(recipe)).name if is_file else recipe
