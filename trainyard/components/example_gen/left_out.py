"""Rows that the recipe does not want: left out and counted, by where it says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trainyard.components.example_gen import computed, derived_label
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.reader import Block
from trainyard.errors import RecipeError, nearest_column
from trainyard.expressions import Expression
from trainyard.recipe_schema import Data, Label

WHERE = "data.where"
TRAIN_PER_CLASS = "data.split.train_per_class"
IN_ORDER = "data.split.in_order"
SERIES = "data.series.past"
PROPERTY = "rows_left_out"
"""The property of the examples' artifact: how many rows, for each of the keys; JSON."""

_MEANINGS = {
    WHERE: "that do not fit data.where",
    TRAIN_PER_CLASS: "beyond data.split.train_per_class",
    IN_ORDER: "that reach over the border of two splits",
    SERIES: "without a value, or with fewer than data.series.past values before them",
}


def check(
    data: Data, labels: Mapping[str, Label], columns: Mapping[str, ColumnType], where: str = ""
) -> None:
    """Checks that labels and condition can be evaluated on the columns there are.

    Args:
        data: The recipe's data section.
        labels: The recipe's labels, by their keys in it.
        columns: The types of the data's columns.
        where: A file they are in.

    Raises:
        RecipeError: A column that one needs is not there or of another type, or a label's name
            is taken.
    """
    check_names(data, labels, columns, where)
    types = derived_label.types(labels, columns)
    if data.where:
        Expression(data.where).check(computed.kinds(types), WHERE, condition=True)


def check_names(
    data: Data, labels: Mapping[str, Label], columns: Collection[str], where: str = ""
) -> None:
    """Checks that the columns of labels and condition are there; the arguments are `check`'s."""
    for key, label in labels.items():
        derived_label.check(label, columns, where, key=key)
    names = {*columns, *(label.name for label in labels.values())}
    needed = Expression(data.where).columns if data.where else ()
    if absent := [name for name in needed if name not in names]:
        raise RecipeError(
            f"the condition needs the column {absent[0]!r}, which is not in the data",
            where=WHERE,
            hint=nearest_column(absent[0], names),
        )


def labelled(data: Data, labels: Mapping[str, Label], block: Block) -> tuple[Block, Counter[str]]:
    """Returns the rows that the recipe wants, with their labels, and counts the others.

    The condition comes first: a label need not have a result where it does not hold. A
    condition that names a computed label comes after it.

    Args:
        data: The recipe's data section.
        labels: The recipe's labels, by their keys in it.
        block: The rows, with their images and texts.

    Raises:
        DataError: A row has no result, such as a division by zero, and that is an error.
    """
    block, counts = _with_enough_before(data, block)
    condition = Expression(data.where) if data.where else None
    computed_labels = {label.name for label in labels.values() if not label.is_column}
    is_late = condition and not computed_labels.isdisjoint(condition.columns)
    if condition and not is_late:
        block, counts[WHERE] = _fitting(data, condition, block)
    for key, label in labels.items():
        block = derived_label.append(label, block, key=key, on_bad_row=data.on_bad_row)
    if condition and is_late:
        block, counts[WHERE] = _fitting(data, condition, block)
    return block, counts


def _with_enough_before(data: Data, block: Block) -> tuple[Block, Counter[str]]:
    if data.series is None:
        return block, Counter()
    columns = (block.batch[data.series.column], block.batch[data.series.value])
    there = np.logical_and(*(np.asarray(column.is_valid()) for column in columns))
    return block.filter(there), Counter({SERIES: int((~there).sum())})


def _fitting(data: Data, condition: Expression, block: Block) -> tuple[Block, int]:
    """The rows for which the condition holds, and how many others there are."""
    block, holds = computed.holds(condition, block, "the condition", WHERE, data.on_bad_row)
    return block.filter(holds), int((~holds).sum())


class FewOfEachClass:
    """Lets so many rows of each class be trained on, the first that come.

    Which rows are held out does not depend on how many these are.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._seen: Counter[Any] = Counter()

    def surplus(self, classes: pa.Array, trained_on: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Finds the rows that are too many.

        Args:
            classes: Every row's, shape `(n,)`.
            trained_on: Whether a row fell to the training split, shape `(n,)`.

        Returns:
            Indices of rows that are neither trained on nor held out.
        """
        found = []
        rows = np.flatnonzero(trained_on)
        for row, name in zip(rows, classes.take(pa.array(rows)).to_pylist(), strict=True):
            key = tuple(name) if isinstance(name, list) else name
            self._seen[key] += 1
            if self._seen[key] > self._count:
                found.append(row)
        return np.array(found, np.int64)


def read(properties: Mapping[str, str]) -> dict[str, int]:
    """Reads how many rows were left out, by the recipe's key.

    Args:
        properties: Those of the examples' artifact that are text.
    """
    return dict(json.loads(properties.get(PROPERTY) or "{}"))


def sentence(counts: Mapping[str, int]) -> str:
    """Says in one line how many rows were left out, and why; nothing if none was.

    Args:
        counts: By the recipe's key.
    """
    reasons = (f"{count:,} {_MEANINGS[key]}" for key, count in counts.items() if count)
    return ", ".join(reasons)
