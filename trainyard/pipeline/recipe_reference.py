"""The reference of all recipe keys, written from the models themselves: docs/recipes.md."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from trainyard.recipe_schema import Recipe

_HEADER = """\
# Recipes

Every key there is. This page is written by `trainyard recipes --reference`; editors that read a
JSON schema complete and check the same keys with the first line of the project's recipes,
`# yaml-language-server: $schema=../docs/recipe.schema.json`.

Paths are relative to the recipe. An unknown key, a wrong type, a metric that does not fit the task,
a column that is not there: each is one error with file, line, column and the nearest valid word
(`trainyard check RECIPE`).

Short forms: `label: COLUMN` or `label: EXPRESSION`; `features: {COLUMN: KIND}`; `optimizer`, `loss`
and `schedule` as a name alone. What an expression may say is in [expressions.md](expressions.md).
"""
_ROOT = "recipe"
_TABLE = "| key | value | default | meaning |\n| --- | --- | --- | --- |"


def recipe_reference() -> str:
    """Writes the page.

    Returns:
        Markdown: one table a section, in the order of the recipe.
    """
    return "\n".join([_HEADER, *_section(_ROOT, Recipe)])


def _section(path: str, model: type[BaseModel]) -> Iterator[str]:
    summary = (model.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
    yield f"## {path}\n\n{summary}\n\n{_TABLE}"
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        place = key if path == _ROOT else f"{path}.{key}"
        for number, below in enumerate(_models_in(field.annotation)):
            inner.append((f"{place}, {_branch(below)}" if number else place, below))
        value, default, meaning = _type(field.annotation), _default(field), field.description or ""
        yield f"| `{key}` | {value} | {default} | {meaning} |".replace("  ", " ")
    yield ""
    for place, below in inner:
        yield from _section(place, below)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _branch(model: type[BaseModel]) -> str:
    """By which word a recipe chooses this one of several models."""
    key = next(key for key in ("kind", "runner") if key in model.model_fields)
    (word,) = get_args(model.model_fields[key].annotation)
    return f"`{key}: {word}`"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " \\| ".join(f"`{choice}`" for choice in arguments)
    if origin in (Union, types.UnionType):
        kinds = (_type(kind) for kind in arguments if kind is not type(None))
        return " or ".join(dict.fromkeys(kinds))
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"{_type(arguments[1])} for each {_type(arguments[0])}"
    if _models_in(annotation):
        return "a section, below"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(
        annotation, "anything"
    )


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if default is None or isinstance(default, BaseModel) or default in ((), {}):
        return ""
    if isinstance(default, tuple):
        return ", ".join(f"`{entry}`" if entry else "empty" for entry in default)
    return f"`{default}`"
