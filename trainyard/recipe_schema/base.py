"""What all sections of a recipe are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from trainyard.errors import RecipeError
from trainyard.expressions import Expression

Scalar = bool | int | float | str


class Section(BaseModel):
    """A part of a recipe: frozen, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def parse_expression(text: str) -> Expression:
    """Parses an expression of a recipe.

    Raises:
        ValueError: It is none; pydantic says where.
    """
    try:
        return Expression(text)
    except RecipeError as error:
        raise ValueError(error.message) from None
