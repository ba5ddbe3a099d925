"""The mistakes that a model is surest of, kept while it is judged, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array = NDArray[Any]

FILE = "mistakes.json"
"""Lies beside TFMA's files, which it does not disturb: their readers go by name."""


def file(head: str) -> str:
    """The file of a head's mistakes; `FILE` for an only head, whose name is empty."""
    return f"{head}_{FILE}" if head else FILE


MOST = 24
MOST_BYTES = 32 << 20  # of examples in the file; a photograph may have some megabytes


class Mistake(BaseModel):
    """One row that was judged, and wrongly.

    Attributes:
        label: The index of the true class, -1 for one that training did not see; for
            regression the true value.
        prediction: The same for what was predicted.
        probability: What the model gave the predicted class; None for regression.
        example: The row, a serialized tf.Example.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    label: float
    prediction: float
    probability: float | None
    example: bytes


class Mistakes(BaseModel):
    """What was wrong, and the worst of it.

    Attributes:
        rows: How many rows were judged.
        wrong: How many of them wrongly; for regression those that are off at all.
        worst: The surest mistakes, or for regression the largest errors, the worst first.
    """

    rows: int
    wrong: int
    worst: list[Mistake]


class _Judged(NamedTuple):
    """Rows as columns: predictions as in `Mistake`, and how bad a mistake each one is."""

    prediction: Array
    badness: Array
    is_class: bool


@dataclass
class Worst:
    """Keeps the worst mistakes of a pass over the rows; of equal ones the first.

    Attributes:
        rows: How many rows there were.
        wrong: How many of them were judged wrongly.
    """

    rows: int = 0
    wrong: int = 0
    _kept: list[tuple[float, Mistake]] = field(default_factory=list)

    def add(self, examples: Sequence[bytes], labels: Array, predictions: Array) -> None:
        """Looks at a batch.

        Args:
            examples: Serialized tf.Examples.
            labels: Of shape `(rows,)`: whole numbers are classes.
            predictions: Of shape `(rows, outputs)`.
        """
        judged = _judged(labels, predictions)
        wrong = np.flatnonzero((judged.prediction != labels) & np.isfinite(judged.badness))
        self.rows += len(labels)
        self.wrong += len(wrong)
        worst = wrong[np.argsort(-judged.badness[wrong], kind="stable")[:MOST]]
        self._kept += [
            (
                float(judged.badness[row]),
                Mistake(
                    label=float(labels[row]),
                    prediction=float(judged.prediction[row]),
                    probability=float(judged.badness[row]) if judged.is_class else None,
                    example=examples[row],
                ),
            )
            for row in worst.tolist()
        ]
        self._kept = sorted(self._kept, key=lambda pair: -pair[0])[:MOST]

    def found(self) -> Mistakes:
        """Returns the worst, as many as fit into the file, but the first in any case."""
        worst = [mistake for _, mistake in self._kept]
        sizes = np.cumsum([len(mistake.example) for mistake in worst])
        fit = max(1, int(np.searchsorted(sizes, MOST_BYTES, "right")))
        return Mistakes(rows=self.rows, wrong=self.wrong, worst=worst[:fit])


def _judged(labels: Array, predictions: Array) -> _Judged:
    if not np.issubdtype(labels.dtype, np.integer):
        value = predictions[:, 0]
        return _Judged(value, np.abs(value - labels), is_class=False)
    if predictions.shape[1] > 1:
        return _Judged(predictions.argmax(axis=1), predictions.max(axis=1), is_class=True)
    positive = predictions[:, 0]
    return _Judged(
        (positive > 0.5).astype(np.int64), np.maximum(positive, 1 - positive), is_class=True
    )


def read(folder: Path, head: str = "") -> Mistakes | None:
    """Reads the mistakes in an evaluation; None if another executor has written it.

    Args:
        folder: The artifact's folder.
        head: Whose.
    """
    path = folder / file(head)
    return Mistakes.model_validate_json(path.read_bytes()) if path.exists() else None
