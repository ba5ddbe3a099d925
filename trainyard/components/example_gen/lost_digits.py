"""Which values a tf.Example or a network cannot tell apart: they differ beyond 24 binary digits."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
    """A column that has fewer values for the network than in the files.

    Attributes:
        column: Its name.
        values: How many distinct values were counted, `MOST` at most.
        lost: How many of them have the 32-bit float of another.
        is_label: Whether it holds what is predicted too, so that losing it counts as much.
    """

    column: str
    values: int
    lost: int
    is_label: bool = False

    @property
    def words(self) -> str:
        """What happened, for people."""
        return f"{self.lost:,} of {self.values:,} distinct values become equal as 32-bit floats"


REMEDY = (
    "subtract what all values share where the data are made; for a label: "
    "`label: {name: NAME, expression: COLUMN - CONSTANT}`, which is computed in 64 bits; for whole "
    "numbers with `scaling: none`: `z-score` or `min-max`, which are computed in 64 bits, or "
    "`kind: categorical` if they are codes"
)


def read(properties: Mapping[str, str]) -> list[Lost]:
    """Reads which columns lost values.

    Args:
        properties: Those of the examples' artifact that are text.
    """
    return [Lost.model_validate(each) for each in json.loads(properties.get(PROPERTY) or "[]")]


class Suspect(NamedTuple):
    """A column to look at while it is written.

    Attributes:
        limit: The error that matters, in standard deviations.
        source: The column whose values it has; empty: its own.
        is_label: As that of `Lost`, if the error is as large as matters in a label.
    """

    limit: float
    source: str = ""
    is_label: bool = False


def suspects(
    types: Mapping[str, ColumnType],
    numbers: Mapping[str, Numbers],
    uses: Mapping[str, float],
) -> dict[str, Suspect]:
    """Chooses the columns of floats to look at while they are written.

    Args:
        types: From `number_types.chosen`.
        numbers: What the columns are like.
        uses: Inputs and labels: `MATTERS` for those that are numbers, else 0.
    """
    return {
        name: Suspect(uses[name])
        for name, kind in types.items()
        if kind is ColumnType.FLOAT and name in uses and numbers[name].rounded(uses[name])
    }


class Watch:
    """Counts distinct values, from any thread.

    Args:
        suspects: The columns.
    """

    def __init__(self, suspects: Mapping[str, Suspect]) -> None:
        self._suspects = suspects
        self._distinct: dict[str, set[float]] = {name: set() for name in suspects}
        self._numbers = dict.fromkeys(suspects, Numbers())
        self._lock = threading.Lock()

    def add(self, batch: pa.RecordBatch) -> None:
        """Looks at a block.

        Args:
            batch: Its columns, before they are narrowed.
        """
        for name, suspect in self._suspects.items():
            source = suspect.source or name
            column = _numbers(batch.column(source)) if source in batch.schema.names else None
            if column is None:
                continue
            values = np.unique(column.drop_null().to_numpy(zero_copy_only=False)).tolist()
            with self._lock:
                self._numbers[name] = self._numbers[name].merged(Numbers.of(column))
                known = self._distinct[name]
                known.update(values[: MOST - len(known)])

    def found(self) -> list[Lost]:
        """Returns the columns that lost values."""
        return list(_found(self._suspects, self._distinct, self._numbers))


def _numbers(column: pa.Array) -> pa.Array | None:
    """The numbers of a column, also of one of lists; None if there are none."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pc.list_flatten(column)
    is_number = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    return column if is_number else None


def _found(
    suspects: Mapping[str, Suspect],
    distinct: Mapping[str, set[float]],
    numbers: Mapping[str, Numbers],
) -> Iterable[Lost]:
    for name, suspect in suspects.items():
        lost, rounded = number_types.lost(distinct[name]), numbers[name].rounded
        if lost and rounded(suspect.limit):
            is_label = suspect.is_label and rounded(MATTERS)
            yield Lost(column=name, values=len(distinct[name]), lost=lost, is_label=is_label)
