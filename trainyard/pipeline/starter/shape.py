"""Splits, batches and epochs that fit a table's size."""

from __future__ import annotations

from dataclasses import dataclass, replace

_STEPS = 3000


@dataclass(frozen=True)
class Shape:
    """What depends on the number of rows alone.

    Attributes:
        rows: The table has fewer rows than this.
        train: Share of the rows to train on.
        eval: Share to validate on.
        test: Share to judge on.
        batch_size: Rows a training step.
        min_slice_size: Rows that a slice needs in the judged split.
        min_rows: Fewest rows a split may have.
        epochs: At most; enough for some 3,000 steps.
        patience: Epochs without improvement before training stops.
    """

    rows: float
    train: int
    eval: int
    test: int
    batch_size: int
    min_slice_size: int
    min_rows: int = 10
    epochs: int = 0
    patience: int = 5

    @property
    def judged_share(self) -> float:
        """The share of the rows that the Evaluator judges on."""
        return self.test / (self.train + self.eval + self.test)


_SHAPES = (
    Shape(100, 2, 1, 1, 8, 10, min_rows=2, patience=20),
    Shape(500, 3, 1, 1, 16, 10, patience=20),
    Shape(5_000, 6, 2, 2, 32, 20, patience=10),
    Shape(50_000, 8, 1, 1, 128, 50),
    Shape(500_000, 8, 1, 1, 512, 100, patience=3),
    Shape(float("inf"), 8, 1, 1, 1024, 100, patience=2),
)


def shape_for(rows: int) -> Shape:
    """Chooses splits, batches and epochs.

    Args:
        rows: How many the table has.
    """
    shape = next(shape for shape in _SHAPES if rows < shape.rows)
    training_rows = rows * shape.train / (shape.train + shape.eval + shape.test)
    steps_an_epoch = max(1, training_rows / shape.batch_size)
    return replace(shape, epochs=min(100, max(5, round(_STEPS / steps_an_epoch))))
