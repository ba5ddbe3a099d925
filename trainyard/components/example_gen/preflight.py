"""What `trainyard check` asks about the data, without TensorFlow and without reading it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trainyard.components.example_gen import (
    identity,
    images,
    left_out,
    order,
    reader,
    splits,
    texts,
)
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.division import Copies
from trainyard.components.example_gen.reader import Block
from trainyard.errors import RecipeError, nearest_column
from trainyard.recipe_schema import Data, Label

_FEW = 16


def preflight(
    data: Data, labels: Mapping[str, Label], first: reader.First
) -> dict[str, ColumnType]:
    """Checks headers, the first block, the first images; columns for key, order, weight, labels.

    Args:
        data: The recipe's data section.
        labels: The recipe's labels, by their keys in it.
        first: The beginning of the input.

    Returns:
        The raw columns with the types of the first block; a later row may widen one.

    Raises:
        DataError: A row of the first block is wrong.
        RecipeError: A column is not there, or the weight is no number.
    """
    types = texts.columns(data, images.columns(data, first.types))
    block = next(images.blocks(data, iter([first.block])))
    few = next(block.cut([0, min(_FEW, len(block.batch))]))
    few = texts.append(data, images.append(data, few).block)
    if _first_types_suffice(data, labels, first.files, types):
        left_out.labelled(data, labels, few)
    splits.check(data, types)
    _check_order(data, first.block)
    _check_weight(data.weight, types)
    return types


def _check_order(data: Data, block: Block) -> None:
    column = data.split.in_order
    if isinstance(column, str) and column in block.batch.schema.names:
        order.ByColumn(column, [block])


def _first_types_suffice(
    data: Data,
    labels: Mapping[str, Label],
    files: Sequence[Path],
    types: Mapping[str, ColumnType],
) -> bool:
    """Checks expressions by the types of the first block, and if these do not fit, of all rows."""
    left_out.check_names(data, labels, types, f"({files[0]})")
    try:
        left_out.check(data, labels, types)
        return True
    except RecipeError:
        all_types = texts.columns(data, images.columns(data, reader.columns(data, files)))
        left_out.check(data, labels, all_types)
        return False


def first_copies(first: reader.First) -> Copies:
    """Counts copies among the rows of the first block: quick, provisional.

    Args:
        first: The beginning of the input.
    """
    fields = first.block.batch if first.block.raw is None else first.block.raw
    return Copies.among(identity.rows(fields), complete=False)


def _check_weight(weight: str | None, types: Mapping[str, ColumnType]) -> None:
    if weight is None or types.get(weight) in (ColumnType.INTEGER, ColumnType.FLOAT):
        return
    there = weight in types
    raise RecipeError(
        f"the weights in {weight!r} are no numbers" if there else f"there is no column {weight!r}",
        where="data.weight",
        expected="a column of numbers: how much each row counts",
        received=types[weight].name.lower() if there else "",
        hint="" if there else nearest_column(weight, types),
    )
