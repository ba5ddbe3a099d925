"""Evaluates the recipe's expressions on the rows of a block."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError
from trainyard.expressions import Expression


def values(expression: Expression, block: Block, what: str, key: str) -> pa.Array:
    """Evaluates an expression on every row, shape `(n,)`.

    A comparison gives 0 or 1, arithmetic a float, a column alone what it holds; null where a
    column of the expression is missing.

    Args:
        expression: What to evaluate.
        block: The rows.
        what: What it is to the user, for errors.
        key: Where the recipe has it, for errors.

    Raises:
        DataError: A column holds text where a number is needed, or the result is not finite.
    """
    operands = {name: single(block, name, what) for name in expression.columns}
    if expression.is_column:
        return next(iter(operands.values()))
    present = np.ones(len(block.batch), dtype=bool)
    for column in operands.values():
        present &= np.asarray(column.is_valid())
    kind = pa.int64() if expression.is_boolean else pa.float64()
    if not present.any():
        return pa.nulls(len(present), kind)
    rows = pa.array(present)
    given = {name: _operand(column.filter(rows)) for name, column in operands.items()}
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(expression.evaluate(given)).astype(kind.to_pandas_dtype())
    except (TypeError, ValueError) as error:
        text = [name for name, column in operands.items() if pa.types.is_string(column.type)]
        raise _not_numbers(f"{what} {expression.text!r}", key, text, block, error) from None
    index = np.flatnonzero(present)
    _check_finite(f"{what} {expression.text!r}", result, index, block)
    found = np.zeros(len(present), dtype=result.dtype)
    found[index] = result
    return pa.array(found, kind, mask=~present)


def single(block: Block, name: str, what: str) -> pa.Array:
    """Returns a column of the block that has at most one value a row, shape `(n,)`.

    Args:
        block: The rows.
        name: The column; null in every row if no tf.Example of the block has it.
        what: What is made of it, for errors.

    Raises:
        DataError: A row has several values.
    """
    if name not in block.batch.schema.names:
        return pa.nulls(len(block.batch))
    column = block.batch.column(name)
    if not pa.types.is_list(column.type):
        return column
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    if (lengths > 1).any():
        raise DataError(
            f"{what} cannot be computed from {name!r}, which has several values in a row",
            where=block.row(int(np.argmax(lengths > 1))),
        )
    return pa.array([values[0] if values else None for values in column.to_pylist()])


def _operand(values: pa.Array) -> npt.NDArray[Any]:
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _not_numbers(what: str, key: str, text: list[str], block: Block, error: Exception) -> DataError:
    return DataError(
        f"{what} cannot be computed: {error}",
        where=f"{key}, on {block.row(0)} and after",
        expected="numbers where the expression calculates, the same type on both sides",
        received=f"text in {', '.join(map(repr, text))}" if text else "",
        hint="compare text with quoted text; or look for a word among the numbers of the column",
    )


def _check_finite(
    what: str, result: npt.NDArray[Any], index: npt.NDArray[Any], block: Block
) -> None:
    bad = np.flatnonzero(~np.isfinite(result))
    if len(bad):
        raise DataError(
            f"{what} is {result[bad[0]]}",
            where=block.row(int(index[bad[0]])),
            expected="a finite number",
            hint="is there a division by zero?",
        )
