"""Adds the label that the recipe computes from columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import pyarrow as pa

from trainyard.components.example_gen import computed
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.reader import Block
from trainyard.errors import RecipeError, nearest_column
from trainyard.recipe_schema import Label


def check(label: Label, columns: Collection[str], where: str = "", *, key: str = "label") -> None:
    """Checks that the label can be had from the columns there are.

    Args:
        label: A label section of the recipe.
        columns: The names of the data's columns.
        where: The file they are in.
        key: Where the recipe has the label, for errors.

    Raises:
        RecipeError: A column that the label needs is not there, or the label's name is taken.
    """
    needed = label.parsed.columns
    if not needed:
        raise RecipeError(
            f"the label {label.expression!r} names no column", where=f"{key}.expression"
        )
    if absent := [name for name in needed if name not in columns]:
        raise RecipeError(
            f"the label needs the column {absent[0]!r}, which is not in the data {where}".strip(),
            where=key,
            expected=f"a column {absent[0]!r}",
            hint=nearest_column(absent[0], columns),
        )
    if not label.is_column and label.name in columns:
        raise RecipeError(
            f"the label is to be named {label.name!r}, but the data has a column of that name",
            where=f"{key}.name",
            hint="give the label a name of its own",
        )


def types(labels: Mapping[str, Label], columns: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """Checks the labels' expressions, and returns the types of all columns, labels included.

    Args:
        labels: The recipe's labels, by their keys in it; `check` has seen them.
        columns: The types of the data's columns.

    Raises:
        RecipeError: An expression compares text with a number, or the like.
    """
    found = dict(columns)
    for key, label in labels.items():
        if not label.is_column:
            label.parsed.check(computed.kinds(columns), f"{key}.expression")
            found[label.name] = _type(label, columns)
    return found


def _type(label: Label, columns: Mapping[str, ColumnType]) -> ColumnType:
    if label.parsed.is_column:  # a copy of it
        return columns[label.parsed.columns[0]]
    return ColumnType.INTEGER if label.parsed.is_boolean else ColumnType.FLOAT


def append(
    label: Label, block: Block, *, key: str = "label", on_bad_row: computed.OnBadRow = "error"
) -> Block:
    """Returns the block with the label as its last column, unless it is a column already.

    A condition gives 0 or 1, arithmetic a float; a row in which the result is missing gets no
    label.

    Args:
        label: A label section of the recipe.
        block: The rows.
        key: Where the recipe has the label, for errors.
        on_bad_row: What is done about a row for which the expression has no result.

    Raises:
        DataError: A row has no result, such as a division by zero, and that is an error.
        RecipeError: Text is used as a number, or the like.
    """
    if label.is_column:
        return block
    where = f"{key}.expression"
    block, values = computed.numbers(label.parsed, block, "the label", where, on_bad_row)
    arrays, names = [*block.batch.columns, values], [*block.batch.schema.names, label.name]
    return dataclasses.replace(block, batch=pa.RecordBatch.from_arrays(arrays, names))
