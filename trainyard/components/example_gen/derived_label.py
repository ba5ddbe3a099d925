"""Adds the label that the recipe computes from columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError, RecipeError, nearest
from trainyard.recipe_schema import Label


def check(label: Label, columns: Collection[str], where: str = "") -> None:
    """Checks that the label can be had from the columns there are.

    Args:
        label: The recipe's label section.
        columns: The names of the data's columns.
        where: The file they are in.

    Raises:
        RecipeError: A column that the label needs is not there, or the label's name is taken.
    """
    needed = label.parsed.columns
    if not needed:
        raise RecipeError(
            f"the label {label.expression!r} names no column", where="label.expression"
        )
    if absent := [name for name in needed if name not in columns]:
        raise RecipeError(
            f"the label needs the column {absent[0]!r}, which is not in the data {where}".strip(),
            where="label",
            expected=f"a column {absent[0]!r}",
            hint=_columns_hint(absent[0], columns),
        )
    if not label.is_column and label.name in columns:
        raise RecipeError(
            f"the label is to be named {label.name!r}, but the data has a column of that name",
            where="label.name",
            hint="give the label a name of its own",
        )


def _columns_hint(name: str, columns: Collection[str]) -> str:
    only = next(iter(columns), "")
    other = next((mark for mark in ";\t|," if mark in only), "")
    if len(columns) == 1 and other:
        return f"the only column is {only!r}: set `data.delimiter` to {other!r}"
    return nearest(name, columns)


def append(label: Label, block: Block) -> Block:
    """Returns the block with the label as its last column, unless it is a column already.

    A comparison gives 0 or 1, arithmetic a float; a row in which a column of
    the expression is missing gets no label.

    Args:
        label: The recipe's label section.
        block: The rows.

    Raises:
        DataError: A column holds text where a number is needed, or the result is not finite.
    """
    if label.is_column:
        return block
    operands = {name: _single(block, name) for name in label.parsed.columns}
    if label.parsed.is_column:
        values = next(iter(operands.values()))
    else:
        values = _evaluated(label, operands, block)
    arrays, names = [*block.batch.columns, values], [*block.batch.schema.names, label.name]
    return dataclasses.replace(block, batch=pa.RecordBatch.from_arrays(arrays, names))


def _single(block: Block, name: str) -> pa.Array:
    """A column of the block with at most one value a row, shape `(n,)`."""
    if name not in block.batch.schema.names:  # no tf.Example of the block has the feature
        return pa.nulls(len(block.batch))
    column = block.batch.column(name)
    if not pa.types.is_list(column.type):
        return column
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    if (lengths > 1).any():
        raise DataError(
            f"the label cannot be computed from {name!r}, which has several values in a row",
            where=block.row(int(np.argmax(lengths > 1))),
        )
    return pa.array([values[0] if values else None for values in column.to_pylist()])


def _evaluated(label: Label, operands: dict[str, pa.Array], block: Block) -> pa.Array:
    present = np.ones(len(block.batch), dtype=bool)
    for values in operands.values():
        present &= np.asarray(values.is_valid())
    kind = pa.int64() if label.parsed.is_boolean else pa.float64()
    if not present.any():
        return pa.nulls(len(present), kind)
    rows = pa.array(present)
    given = {name: _operand(values.filter(rows)) for name, values in operands.items()}
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(label.parsed.evaluate(given)).astype(kind.to_pandas_dtype())
    except (TypeError, ValueError) as error:
        raise _not_numbers(label, operands, block, error) from None
    index = np.flatnonzero(present)
    _check_finite(label, result, index, block)
    labels = np.zeros(len(present), dtype=result.dtype)
    labels[index] = result
    return pa.array(labels, kind, mask=~present)


def _operand(values: pa.Array) -> npt.NDArray[Any]:
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _not_numbers(
    label: Label, operands: dict[str, pa.Array], block: Block, error: Exception
) -> DataError:
    text = [name for name, values in operands.items() if pa.types.is_string(values.type)]
    return DataError(
        f"the label {label.expression!r} cannot be computed: {error}",
        where=f"label.expression, on {block.row(0)} and after",
        expected="numbers where the expression calculates, the same type on both sides",
        received=f"text in {', '.join(map(repr, text))}" if text else "",
        hint="compare text with quoted text; or look for a word among the numbers of the column",
    )


def _check_finite(
    label: Label, result: npt.NDArray[Any], index: npt.NDArray[Any], block: Block
) -> None:
    bad = np.flatnonzero(~np.isfinite(result))
    if len(bad):
        raise DataError(
            f"the label {label.expression!r} is {result[bad[0]]}",
            where=block.row(int(index[bad[0]])),
            expected="a finite number",
            hint="is there a division by zero?",
        )
