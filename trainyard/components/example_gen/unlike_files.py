"""Columns whose files hold different types, which only text can hold: `True` beside 1."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from trainyard.components.example_gen.column_types import ColumnType
from trainyard.recipe_schema import Recipe, Section

PROPERTY = "unlike_files"
"""The artifact's property: a JSON list of `Unlike`."""

Seen = dict[str, dict[ColumnType, Path]]
"""The types that a column has in any file, and the first file of each."""

_WORDS = {"boolean": "true and false", "integer": "whole numbers", "float": "numbers"}


class Unlike(Section):
    """A column that is read as text because its files do not agree.

    Attributes:
        column: Its name.
        files: What it holds, and the first file in which it does.
    """

    column: str
    files: dict[str, str]

    @property
    def words(self) -> str:
        """What happened, for people."""
        held = (f"{_WORDS.get(kind, kind)} in {file}" for kind, file in self.files.items())
        return (
            f"column {self.column!r} is read as text, because it holds {', '.join(held)}: what is "
            "spelled differently, such as True and 1, is not the same value; write it alike in "
            "all files"
        )


def note(seen: Seen, types: Mapping[str, ColumnType], file: Path) -> None:
    """Adds what a file holds.

    Args:
        seen: Of the files before.
        types: Its columns.
        file: The file.
    """
    for name, kind in types.items():
        if kind is not ColumnType.MISSING:
            seen.setdefault(name, {}).setdefault(kind, file)


def found(seen: Seen, types: Mapping[str, ColumnType]) -> Iterator[Unlike]:
    """Returns the columns of which somebody should know.

    Args:
        seen: What all files hold.
        types: The columns' types over all files: those that nobody has asked to be text.
    """
    for name, kind in types.items():
        files = seen.get(name, {})
        if kind >= ColumnType.TEXT and len(files) > 1:
            yield Unlike(column=name, files={each.kind: str(files[each]) for each in sorted(files)})


def about(unlike: Iterable[Unlike], recipe: Recipe) -> Iterator[str]:
    """Says which of a model's inputs and labels these are.

    Args:
        unlike: What `found` gave.
        recipe: The recipe.
    """
    of_labels = {name for label in recipe.labels.values() for name in label.parsed.columns}
    for each in unlike:
        if each.column in of_labels or recipe.input_columns([each.column]):
            yield each.words


def read(properties: Mapping[str, str]) -> list[Unlike]:
    """Reads which columns these were.

    Args:
        properties: Those of the examples' artifact that are text.
    """
    return [Unlike.model_validate(each) for each in json.loads(properties.get(PROPERTY) or "[]")]
