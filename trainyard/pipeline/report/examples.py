"""Rows of the examples as people see them: a picture, or values in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from trainyard.pipeline.measured import number
from trainyard.pipeline.report import pictures
from trainyard.recipe_schema import Recipe

MOST_CHARACTERS = 60
MOST_VALUES = 8

Row = dict[str, Any]
"""By column the list of a row's values; None where there is none."""


@dataclass(frozen=True)
class Reader:
    """What the recipe says of the columns.

    Attributes:
        recipe: The recipe that was run.
    """

    recipe: Recipe

    def label(self, row: Row, head: str) -> str:
        """The row's own label for a head, as text."""
        return _first(row, self.recipe.heads[head].label.name)

    def image(self, row: Row) -> bytes | None:
        """The row's image, encoded, if the data are images; several stand beside each other."""
        found = [row.get(images.column) for images in self.recipe.data.images]
        files = [bytes(values[0]) for values in found if values]
        return pictures.beside(files) if len(files) > 1 else next(iter(files), None)

    def file(self, row: Row) -> str:
        """The file that the row's image is from, or empty."""
        sources = (each.origin for each in self.recipe.data.images if each.origin != each.column)
        return ", ".join(filter(None, (_first(row, source) for source in sources)))

    def inputs(self, names: Iterable[str]) -> list[str]:
        """The columns that the model depends on."""
        return list(self.recipe.input_columns(sorted(names)))


def _first(row: Row, column: str) -> str:
    values = row.get(column)
    return _word(values[0]) if values else ""


def words(values: Any) -> str:
    """Writes the values of one column in one row, the last of many; empty if there is none.

    Args:
        values: A list of whole numbers, numbers or bytes, or None.
    """
    given = list(values or ())
    earlier = ["…"] if len(given) > MOST_VALUES else []
    text = ", ".join([*earlier, *map(_word, given[-MOST_VALUES:])])
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def _word(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value) if isinstance(value, int) else number(value)


def decoded(serialized: list[bytes]) -> list[Row]:
    """Decodes some serialized tf.Examples, at least one."""
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    return list(ExamplesToRecordBatchDecoder().DecodeBatch(serialized).to_pylist())
