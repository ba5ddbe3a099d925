"""Rows of columns with what a model answered, and a sample of them that stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pyarrow as pa

from trainyard.serving.monitor.two_samples import Array

Columns = dict[str, pa.Array]
"""One value a row: int64, float32 or bytes; null where it is missing."""


@dataclass(frozen=True)
class Rows:
    """Some rows.

    Attributes:
        columns: By name, shape `(n,)`.
        answers: What the model answered, by head: numbers `(n, 1)` or `(n, classes)`, or texts,
            objects `(n, 1)`.
        known: Which rows have answers that count, shape `(n,)`.
    """

    columns: Columns
    answers: dict[str, Array] = field(default_factory=dict)
    known: Array = field(default_factory=lambda: np.zeros(0, bool))

    def __len__(self) -> int:
        return len(self.known)

    def take(self, places: Array) -> Self:
        """Returns the rows at these places."""
        return type(self)(
            {name: values.take(pa.array(places)) for name, values in self.columns.items()},
            {name: values[places] for name, values in self.answers.items()},
            self.known[places],
        )

    def with_columns(self, columns: Mapping[str, pa.Array]) -> Self:
        """Returns the rows with these columns in place of theirs."""
        return type(self)(dict(columns), self.answers, self.known)

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Puts rows with the same columns and answers after one another."""
        every = [part for part in parts if len(part)]
        if not every:
            return cls({})
        return cls(
            {
                name: pa.concat_arrays([part.columns[name] for part in every])
                for name in every[0].columns
            },
            {name: np.concatenate([p.answers[name] for p in every]) for name in every[0].answers},
            np.concatenate([part.known for part in every]),
        )


class Sample:
    """As many rows as it may have, each row with the same chance, of a stream of any length.

    Every row draws a number, and those with the smallest numbers stay.

    Args:
        size: How many rows stay.
        seed: The same one chooses the same rows.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size, self._chance = size, np.random.default_rng(seed)
        self._parts: list[tuple[Array, Rows]] = []
        self._most = 1.0  # no row that drew more can stay
        self.seen = 0

    def add(self, count: int, make: Callable[[Array], Rows]) -> None:
        """Looks at some more rows.

        Args:
            count: How many.
            make: Makes those at the given places that may stay, perhaps at some cost.
        """
        drawn = self._chance.random(count)
        places = np.flatnonzero(drawn < self._most)
        self.seen += count
        if len(places):
            self._parts.append((drawn[places], make(places)))
            if sum(len(numbers) for numbers, _ in self._parts) > 2 * self._size:
                self._shrink()

    def rows(self) -> Rows:
        """Returns the rows that stayed."""
        self._shrink()
        return self._parts[0][1] if self._parts else Rows({})

    def _shrink(self) -> None:
        if not self._parts:
            return
        numbers = np.concatenate([numbers for numbers, _ in self._parts])
        rows = Rows.joined([rows for _, rows in self._parts])
        if len(numbers) > self._size:
            places = np.sort(np.argpartition(numbers, self._size)[: self._size])
            numbers, rows = numbers[places], rows.take(places)
            self._most = float(numbers.max())
        self._parts = [(numbers, rows)]
