"""In what type a tf.Example holds a column's numbers: 64-bit integers or 32-bit floats.

A `FloatList` has 24 binary digits. What a model takes as a number is a float, so that
120.5 can be asked of a column that had whole numbers; but where 32 bits would make one
number of several, whole numbers stay integers, also those that a file writes as floats.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trainyard.components.example_gen.column_types import ColumnType

FINE = 1e-5
"""Error that a number's rounding to 32 bits may have, in standard deviations of its column: what
remains is a network's own precision."""

NUMERIC, EXACT = FINE, 0.0
"""How much rounding a column's use allows: of a number, and of what is told apart by its value."""


@dataclass(frozen=True)
class Numbers:
    """What the values of a column are like, missing ones left out.

    Attributes:
        count: How many there are.
        mean: Their mean.
        squares: The sum of their squared deviations from it.
        whole: Whether all are whole and fit in 64 bits.
        error: The largest difference that rounding to 32 bits makes.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    whole: bool = True
    error: float = 0.0

    @classmethod
    def of(cls, values: pa.Array) -> Numbers:
        """Looks at a block.

        Args:
            values: int64 or float64, `(n,)`.
        """
        raw = values.drop_null().to_numpy(zero_copy_only=False)
        raw = raw[np.isfinite(raw)]
        if not len(raw):
            return cls()
        numbers = raw.astype(np.float64)
        mean = float(numbers.mean())
        whole = np.issubdtype(raw.dtype, np.integer) or _whole(numbers)
        squares = float(np.square(numbers - mean).sum())
        return cls(len(raw), mean, squares, bool(whole), _error(raw, numbers))

    def merged(self, other: Numbers) -> Numbers:
        """Joins two blocks. Source: Chan, Golub and LeVeque, 1979, for the sum of squares."""
        count = self.count + other.count
        if not count:
            return self
        step = other.mean - self.mean
        return Numbers(
            count,
            self.mean + step * other.count / count,
            self.squares + other.squares + step**2 * self.count * other.count / count,
            self.whole and other.whole,
            max(self.error, other.error),
        )

    @property
    def std(self) -> float:
        """Their standard deviation."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    def rounded(self, tolerance: float) -> bool:
        """Says whether 32 bits change them by more than so many standard deviations."""
        return self.error > tolerance * self.std


def _whole(numbers: npt.NDArray[np.float64]) -> bool:
    return bool((numbers == np.rint(numbers)).all() and np.abs(numbers).max() < 2.0**63)


def _error(raw: npt.NDArray[Any], numbers: npt.NDArray[np.float64]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        # What is too large for 32 bits is refused elsewhere.
        error = float(np.abs(numbers - numbers.astype(np.float32)).max())
        # Integers beyond 53 binary digits have changed already.
        return error if (numbers.astype(raw.dtype) == raw).all() else max(error, 1.0)


def chosen(
    types: Mapping[str, ColumnType],
    numbers: Mapping[str, Numbers],
    uses: Mapping[str, float],
    curated: Mapping[str, ColumnType],
) -> dict[str, ColumnType]:
    """Decides in what type the examples hold each column of numbers.

    Args:
        types: As the files have them.
        numbers: What the columns are like.
        uses: The inputs that are taken as numbers: `NUMERIC`, or `EXACT`.
        curated: What a curated schema says; it decides.

    Returns:
        `INTEGER` or `FLOAT` for each column of `numbers` that is of these types.
    """
    kinds = (ColumnType.INTEGER, ColumnType.FLOAT)
    return {
        name: _chosen(types[name], each, uses.get(name), curated.get(name))
        for name, each in numbers.items()
        if types.get(name) in kinds and each.count
    }


def _chosen(
    kind: ColumnType, numbers: Numbers, use: float | None, wished: ColumnType | None
) -> ColumnType:
    if not numbers.whole:
        return ColumnType.FLOAT
    if wished is not None:
        return wished if wished in (ColumnType.INTEGER, ColumnType.FLOAT) else kind
    if use is not None and not numbers.rounded(use):
        return ColumnType.FLOAT
    return ColumnType.INTEGER if numbers.error else kind


def converted(batch: pa.RecordBatch, types: Mapping[str, ColumnType]) -> pa.RecordBatch:
    """Gives a block's columns the types in which the examples hold them.

    Args:
        batch: Columns as the files have them.
        types: From `chosen`; other columns stay as they are.
    """
    columns = [
        column.cast(types[name].arrow, safe=False) if name in types else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def lost(values: Collection[float]) -> int:
    """Returns how many of these distinct values have the 32-bit float of another.

    Args:
        values: Distinct, finite.
    """
    numbers = np.fromiter(values, np.float64)
    return len(numbers) - len(np.unique(numbers.astype(np.float32)))
