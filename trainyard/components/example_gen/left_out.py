"""Rows that the recipe does not want: left out and counted, by where it says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen import computed
from trainyard.components.example_gen.reader import Block
from trainyard.errors import RecipeError, nearest
from trainyard.expressions import Expression
from trainyard.recipe_schema import Data

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


def check(data: Data, columns: Collection[str]) -> None:
    """Checks that the condition can be evaluated on the columns there are.

    Args:
        data: The recipe's data section.
        columns: The names of the data's columns, the label's included.

    Raises:
        RecipeError: One that it needs is not there.
    """
    needed = Expression(data.where).columns if data.where else ()
    if absent := [name for name in needed if name not in columns]:
        raise RecipeError(
            f"the condition needs the column {absent[0]!r}, which is not in the data",
            where=WHERE,
            hint=nearest(absent[0], columns),
        )


def wanted(data: Data, block: Block) -> tuple[Block, Counter[str]]:
    """Returns the rows that the recipe wants, and counts the others.

    Its condition does not hold where one of the condition's columns is missing.

    Args:
        data: The recipe's data section.
        block: The rows, with their images and label.

    Raises:
        DataError: The condition cannot be evaluated.
    """
    tests = {SERIES: _enough_before, WHERE: _condition}
    counts: Counter[str] = Counter()
    for key, test in tests.items():
        kept = test(data, block)
        if kept is not None:
            counts[key] = int((~kept).sum())
            block = block.filter(kept)
    return block, counts


def _enough_before(data: Data, block: Block) -> npt.NDArray[np.bool_] | None:
    if data.series is None:
        return None
    columns = (block.batch[data.series.column], block.batch[data.series.value])
    return np.logical_and(*(np.asarray(column.is_valid()) for column in columns))


def _condition(data: Data, block: Block) -> npt.NDArray[np.bool_] | None:
    if data.where is None:
        return None
    holds = computed.values(Expression(data.where), block, "the condition", WHERE)
    return np.asarray(pc.fill_null(pc.equal(holds, 1), False))


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
