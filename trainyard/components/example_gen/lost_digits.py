"""Which values a tf.Example cannot tell apart: fractions that differ beyond 24 binary digits."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa

from trainyard.components.example_gen import number_types
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.number_types import Numbers
from trainyard.recipe_schema import Section

PROPERTY = "lost_digits"
"""The artifact's property: a JSON list of `Lost`."""

MATTERS = 1e-3
"""Error that rounding to 32 bits may have where a column is a number, in its deviations."""

MOST = 100_000
"""Distinct values of a column that are counted."""


class Lost(Section):
    """A column that has fewer values in the examples than in the files.

    Attributes:
        column: Its name.
        values: How many distinct values were counted, `MOST` at most.
        lost: How many of them have the 32-bit float of another.
    """

    column: str
    values: int
    lost: int

    @property
    def words(self) -> str:
        """What happened, for people."""
        return f"{self.lost:,} of {self.values:,} distinct values become equal as 32-bit floats"


REMEDY = (
    "subtract what all values share where the data are made; for a label: "
    "`label: {name: NAME, expression: COLUMN - CONSTANT}`, which is computed in 64 bits"
)


def read(properties: Mapping[str, str]) -> list[Lost]:
    """Reads which columns lost values.

    Args:
        properties: Those of the examples' artifact that are text.
    """
    return [Lost.model_validate(each) for each in json.loads(properties.get(PROPERTY) or "[]")]


def suspects(
    types: Mapping[str, ColumnType],
    numbers: Mapping[str, Numbers],
    uses: Mapping[str, float],
) -> dict[str, float]:
    """Chooses the columns to look at while they are written.

    Args:
        types: From `number_types.chosen`.
        numbers: What the columns are like.
        uses: Inputs and labels: `MATTERS` for those that are numbers, else 0.

    Returns:
        For each the error that matters, in standard deviations.
    """
    return {
        name: uses[name]
        for name, kind in types.items()
        if kind is ColumnType.FLOAT and name in uses and numbers[name].rounded(uses[name])
    }


class Watch:
    """Counts distinct values, from any thread.

    Args:
        suspects: Columns, and the error that matters for each in standard deviations.
    """

    def __init__(self, suspects: Mapping[str, float]) -> None:
        self._suspects = suspects
        self._distinct: dict[str, set[float]] = {name: set() for name in suspects}
        self._numbers = dict.fromkeys(suspects, Numbers())
        self._lock = threading.Lock()

    def add(self, batch: pa.RecordBatch) -> None:
        """Looks at a block.

        Args:
            batch: Its columns, before they are narrowed.
        """
        for name in self._suspects:
            column = batch.column(name) if name in batch.schema.names else None
            if column is None or not pa.types.is_floating(column.type):
                continue
            values = np.unique(column.drop_null().to_numpy(zero_copy_only=False)).tolist()
            with self._lock:
                self._numbers[name] = self._numbers[name].merged(Numbers.of(column))
                known = self._distinct[name]
                known.update(values[: MOST - len(known)])

    def found(self) -> list[Lost]:
        """Returns the columns that lost values."""
        return list(_found(self._suspects, self._distinct, self._numbers))


def _found(
    suspects: Mapping[str, float],
    distinct: Mapping[str, set[float]],
    numbers: Mapping[str, Numbers],
) -> Iterable[Lost]:
    for name, limit in suspects.items():
        lost = number_types.lost(distinct[name])
        if lost and numbers[name].rounded(limit):
            yield Lost(column=name, values=len(distinct[name]), lost=lost)
