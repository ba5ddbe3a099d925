"""Columns that are read as something else than they look like, and how a recipe says so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from trainyard.components.example_gen import number_guess
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.raw_values import as_number
from trainyard.recipe_schema import UNNAMED, NumberFormat

_MOST_TEXTS = 1000


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
        elif types[name] is ColumnType.INTEGER and number_guess.has_leading_zeros(texts):
            first = next(text for text in texts if number_guess.has_leading_zeros([text]))
            yield (
                f"column {name!r} holds digits such as {first}, which are read as the number "
                f"{int(first)}: if they are codes, write `data: {{codes: [{name}]}}`"
            )
        elif types[name] is ColumnType.TEXT and (found := number_guess.guess(texts)):
            yield (
                f"column {name!r} holds numbers such as {texts[0]!r}, which are read as text: "
                f"write `data: {{numbers: {{columns: {{{name}: {shown(found.form)}}}}}}}`"
            )


def _are_flags(texts: Sequence[str]) -> bool:
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
