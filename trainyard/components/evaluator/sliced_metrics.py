"""The metrics of all slices in one pass over the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainyard.components.evaluator import tfma_private as private
from trainyard.components.evaluator.models import Judged
from trainyard.components.evaluator.slice_keys import Rows, SliceKey
from trainyard.components.evaluator.vectorized import Columns, Vectorized

Answers = Mapping[str, Mapping[str, Judged]]
"""By model and output."""


@dataclass(frozen=True)
class Computation:
    """One of TFMA's combiners at work.

    Attributes:
        model: Name of the model whose predictions it reads.
        output: Name of the output that they are of.
        vectorized: What computes it.
    """

    model: str
    output: str
    vectorized: Vectorized

    def columns(self, answers: Answers) -> Columns:
        """What all slices need of each row of a batch."""
        labels, predictions, weights = answers[self.model][self.output]
        counted = weights if self.vectorized.weighted else np.ones(len(labels))
        return self.vectorized.columns(labels, predictions, counted)


@dataclass
class _State:
    rows: int
    of_computation: list[Any]


@dataclass
class SlicedMetrics:
    """Accumulates rows by slice; the memory it needs grows with the slices, not the rows.

    Attributes:
        computations: What is computed of rows, in TFMA's order.
        derived: TFMA's computations on top.
        baseline: The baseline's name, if there is one.
        smallest: The least number of rows in a slice; that of all rows always stays.
    """

    computations: Sequence[Computation]
    derived: Sequence[Any]
    baseline: str | None
    smallest: int
    _states: dict[SliceKey, _State] = field(default_factory=dict)

    def add(
        self,
        answers: Answers,
        slices: Iterator[tuple[SliceKey, Rows]],
    ) -> None:
        """Adds a batch.

        Args:
            answers: What the models say to it.
            slices: The slices that occur in it, and their rows.
        """
        columns = [part.columns(answers) for part in self.computations]
        count = len(next(iter(next(iter(answers.values())).values())).labels)
        for key, rows in slices:
            state = self._states.get(key) or self._states.setdefault(key, self._empty())
            state.rows += count if isinstance(rows, slice) else len(rows)
            for index, part in enumerate(self.computations):
                chosen = tuple(column[rows] for column in columns[index])
                state.of_computation[index] = part.vectorized.add(
                    state.of_computation[index], chosen
                )

    def _empty(self) -> _State:
        return _State(0, [part.vectorized.empty() for part in self.computations])

    def results(self) -> Iterator[tuple[SliceKey, dict[Any, Any]]]:
        """Yields slices with their metrics and plots by TFMA's keys."""
        for key, state in self._states.items():
            if not key or state.rows >= self.smallest:
                yield key, private.completed(self._combined(state), self.derived, self.baseline)

    def _combined(self, state: _State) -> dict[Any, Any]:
        metrics: dict[Any, Any] = {}
        for part, accumulated in zip(self.computations, state.of_computation, strict=True):
            metrics.update(part.vectorized.result(accumulated))
        return metrics
