"""Keras objects by name with options from a recipe, and clear errors for both."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from trainyard.errors import RecipeError, nearest

Built = TypeVar("Built")


def plain(name: str) -> str:
    """Returns a name without case and underscores, so that `AdamW` is `adam_w` is `adamw`."""
    return name.replace("_", "").lower()


def choose(kind: str, name: str, choices: Mapping[str, Built]) -> Built:
    """Returns the choice of that name, however it is written.

    Args:
        kind: The key in the recipe's trainer section, such as `optimizer`.
        name: What the recipe says.
        choices: By name, in snake case.

    Raises:
        RecipeError: There is no such choice.
    """
    for known, choice in choices.items():
        if plain(known) == plain(name):
            return choice
    raise RecipeError(
        f"there is no {kind} {name!r}",
        where=f"trainer.{kind}.name",
        expected=", ".join(sorted(choices)),
        received=repr(name),
        hint=nearest(name, choices),
    )


def construct(cls: type[Built], options: Mapping[str, Any], where: str, **fixed: Any) -> Built:
    """Calls a constructor with options from the recipe.

    Args:
        cls: What to construct.
        options: From the recipe, by parameter.
        where: The recipe's key.
        **fixed: Parameters that are not the recipe's to choose here.

    Raises:
        RecipeError: An option is unknown or has a wrong type or value.
    """
    defaults = options_of(cls)
    for name, value in options.items():
        if name not in defaults or name in fixed:
            known = sorted(set(defaults) - set(fixed))
            raise RecipeError(
                f"{cls.__name__} has no option {name!r}",
                where=f"{where}.{name}",
                expected=", ".join(known),
                received=repr(name),
                hint=nearest(name, known),
            )
        _check_type(cls, name, value, defaults[name], where)
    try:
        return cls(**fixed, **options)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"{cls.__name__} refuses its options",
            where=where,
            expected=str(error).strip().splitlines()[0],
            received=", ".join(f"{name}: {value!r}" for name, value in options.items()),
        ) from error


_NOT_A_RECIPE_S = ("self", "name", "dtype", "reduction", "kwargs", "axis", "learning_rate")


def options_of(cls: type) -> dict[str, Any]:
    """Returns what a constructor takes from a recipe, with its defaults.

    Args:
        cls: A Keras class.
    """
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in _NOT_A_RECIPE_S}


def _check_type(cls: type, name: str, value: Any, default: Any, where: str) -> None:
    # Keras checks few of them, and fails in the middle of training. A default
    # of None says nothing about the type, so the constructor has to.
    kinds = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}.get(type(default))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = kinds is None or (isinstance(value, kinds) and is_number == (kinds[0] in (int, float)))
    if not fits:
        raise RecipeError(
            f"the option {name!r} of {cls.__name__} has a wrong type",
            where=f"{where}.{name}",
            expected=f"{type(default).__name__}, such as {default!r}",
            received=repr(value),
        )
