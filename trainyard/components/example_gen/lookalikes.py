"""Columns that are read as something else than they look like, and how a recipe says so."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping

import pyarrow as pa

from trainyard.components.example_gen import lost_marks, number_guess
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.raw_values import as_number
from trainyard.recipe_schema import UNNAMED, NumberFormat

_MOST_TEXTS = 1000
_IS_TEXT = "it is read as text, each value a word of its own; convert it first"
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)


def warnings(raw: Mapping[str, pa.Array], types: Mapping[str, ColumnType]) -> Iterator[str]:
    """Says what may have been meant otherwise.

    Args:
        raw: Columns of text as they stand in the file, by their names in the examples: those
            for which the recipe says nothing.
        types: What they are read as.
    """
    for name, values in raw.items():
        texts = [text for text in values.unique().to_pylist() if text][:_MOST_TEXTS]
        if name == UNNAMED:
            yield (
                "the first column has no name: it is taken for an index and ignored; to use it, "
                f"name it in `features`: {{{UNNAMED}: numeric}}"
            )
        elif types[name] is ColumnType.TEXT and _are_flags(texts):
            yield (
                f"column {name!r} holds true and false in {len(texts)} spellings "
                f"({', '.join(sorted(texts))}), which are read as text, each as a category of its "
                "own: write them alike"
            )
        elif types[name] in _NUMBERS:
            yield from filter(None, [lost(name, texts)])
        elif types[name] is ColumnType.TEXT:
            yield from filter(None, [_numbers(name, texts)])


def lost(name: str, texts: Collection[str]) -> str:
    """Says what the texts of a column lose when they are read as numbers; empty if nothing.

    Args:
        name: The column.
        texts: Its different values, all numbers.
    """
    found = lost_marks.lost(texts)
    if found is None:
        return ""
    return (
        f"column {name!r} holds texts such as {found.text}, which are read as the number "
        f"{found.number}, without {found.words}: if they are codes or versions, "
        f"write `data: {{codes: [{name}]}}`"
    )


def unsupported(name: str, texts: Collection[str], then: str = _IS_TEXT) -> str:
    """Says that a column's texts look like numbers that no format can read; empty if they do not.

    Args:
        name: The column.
        texts: Its different values.
        then: What becomes of the column.
    """
    found = number_guess.unsupported(texts)
    if found is None:
        return ""
    return (
        f"column {name!r} looks like numbers in a form that `data.numbers` does not support, "
        f"such as {found!r}: {then}"
    )


def _numbers(name: str, texts: Collection[str]) -> str:
    if not (found := number_guess.guess(texts)):
        return unsupported(name, texts)
    return (
        f"column {name!r} holds numbers such as {_marked(texts)!r}, which are read as text: "
        f"write `data: {{numbers: {{columns: {{{name}: {shown(found.form)}}}}}}}`"
    )


def _marked(texts: Collection[str]) -> str:
    """The first that is no number without a format."""
    return next(text for text in texts if not number_guess.is_plain_number(text))


def _are_flags(texts: Collection[str]) -> bool:
    """Whether these are two values at most, spelled in more ways."""
    meant = {as_number(text) for text in texts}
    return meant <= {0, 1} and len(texts) > len(meant)


def shown(form: NumberFormat) -> str:
    """A format as a recipe has it.

    Args:
        form: How numbers are written.
    """
    own = {"thousands": form.thousands, "decimal": form.decimal, "unit": form.unit}
    defaults = NumberFormat()
    said = {key: value for key, value in own.items() if value != getattr(defaults, key)}
    words = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in said.items())
    return "{" + ", ".join(words) + "}"
