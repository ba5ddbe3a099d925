"""Evaluates the recipe's expressions on the rows of a block."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.evaluator import Evaluator
from trainyard.components.example_gen.quarantine import BadRow
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError
from trainyard.expressions import Expression, Kind

OnBadRow = Literal["error", "quarantine"]

_KINDS = {
    ColumnType.MISSING: Kind.UNKNOWN,
    ColumnType.BOOLEAN: Kind.NUMBER,  # 0 and 1
    ColumnType.INTEGER: Kind.NUMBER,
    ColumnType.FLOAT: Kind.NUMBER,
    ColumnType.DATE: Kind.TEXT,
    ColumnType.TIME: Kind.TEXT,
    ColumnType.TIMESTAMP: Kind.TEXT,
    ColumnType.TEXT: Kind.TEXT,
    ColumnType.BYTES: Kind.TEXT,
}


def kinds(types: Mapping[str, ColumnType]) -> dict[str, Kind]:
    """Returns what columns of these types are in an expression.

    Args:
        types: By column.
    """
    return {name: _KINDS[kind] for name, kind in types.items()}


def numbers(
    expression: Expression, block: Block, what: str, key: str, on_bad_row: OnBadRow = "error"
) -> tuple[Block, pa.Array]:
    """Evaluates an expression on every row.

    Args:
        expression: What to evaluate.
        block: The rows.
        what: What it is to the user, for errors.
        key: Where the recipe has it, for errors.
        on_bad_row: What is done about a row for which there is no result.

    Returns:
        The rows that have a result or miss a value, and the results, shape `(n,)`: 0 or 1 of a
        condition, a float of arithmetic, null where missing. A column alone stays as it is.

    Raises:
        DataError: A row has no result, such as a division by zero, and that is an error.
        RecipeError: Text is used as a number, or the like.
    """
    if expression.is_column:
        return block, single(block, expression.columns[0], what)
    evaluator = _evaluator(expression, block, what, key)
    is_condition = expression.is_boolean
    found = evaluator.condition() if is_condition else evaluator.number()
    kept, block = _without_bad(evaluator.problems, expression, block, what, on_bad_row)
    result = pa.array(
        found.data.astype(np.int64 if is_condition else np.float64), mask=~found.valid
    )
    return block, result.filter(pa.array(kept))


def holds(
    expression: Expression, block: Block, what: str, key: str, on_bad_row: OnBadRow = "error"
) -> tuple[Block, npt.NDArray[np.bool_]]:
    """Evaluates a condition on every row.

    Args:
        expression: The condition, which may be a column of 0 and 1.
        block: The rows.
        what: What it is to the user, for errors.
        key: Where the recipe has it, for errors.
        on_bad_row: What is done about a row for which there is no result.

    Returns:
        The rows that have a result or miss a value, and whether the condition holds, shape
        `(n,)`: False where its result is missing.

    Raises:
        DataError: A row has no result, and that is an error.
        RecipeError: It is no condition.
    """
    evaluator = _evaluator(expression, block, what, key, condition=True)
    found = evaluator.condition()
    kept, block = _without_bad(evaluator.problems, expression, block, what, on_bad_row)
    return block, (found.data & found.valid)[kept]


def _evaluator(
    expression: Expression, block: Block, what: str, key: str, *, condition: bool = False
) -> Evaluator:
    columns = {name: single(block, name, what) for name in expression.columns}
    expression.check({n: _kind(each.type) for n, each in columns.items()}, key, condition=condition)
    return Evaluator(expression, columns, len(block.batch))


def _kind(arrow: pa.DataType) -> Kind:
    if pa.types.is_null(arrow):
        return Kind.UNKNOWN
    text = pa.types.is_string(arrow) or pa.types.is_binary(arrow)
    return Kind.TEXT if text else Kind.NUMBER


def _without_bad(
    problems: Mapping[int, str],
    expression: Expression,
    block: Block,
    what: str,
    on_bad_row: OnBadRow,
) -> tuple[npt.NDArray[np.bool_], Block]:
    """Takes out the rows that have no result, or raises the error for the first."""
    kept = np.ones(len(block.batch), bool)
    if not problems:
        return kept, block
    first = min(problems)
    if on_bad_row == "error":
        raise DataError(
            f"{what} {expression.text!r} has no result: {problems[first]}",
            where=block.row(first),
            expected="an expression that has a result in every row",
            received=_shown(block, expression, first),
            hint="leave such rows out with `data.where`, which comes first; or test before, such "
            "as `fare > 0 and tips / fare > 0.2`; or set them aside with `data.on_bad_row: "
            "quarantine`",
        )
    kept[list(problems)] = False
    reason = f"{what} {expression.text!r} has no result"
    bad = [
        BadRow(int(block.numbers[row]), reason, problem, block.shown(row))
        for row, problem in sorted(problems.items())
    ]
    return kept, block.filter(kept, bad)


def _shown(block: Block, expression: Expression, row: int) -> str:
    """The values of the expression's columns in a row."""
    there = [name for name in expression.columns if name in block.batch.schema.names]
    batch = pa.RecordBatch.from_arrays([block.batch.column(name) for name in there], there)
    return dataclasses.replace(block, batch=batch).shown(row)


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
    places = pa.array(np.cumsum(lengths) - lengths, pa.int64(), mask=lengths == 0)
    return column.flatten().take(places)
