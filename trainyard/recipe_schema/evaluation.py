"""What is measured, and what must hold for a push."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from trainyard.recipe_schema.base import Scalar, Section

SliceValues = dict[str, Scalar]


class Bound(Section):
    """What both kinds of threshold share: a metric, and where it is looked at."""

    metric: str
    head: str | None = Field(None, description="Whose metric; needed where there are several.")
    slice: str | tuple[str, ...] | SliceValues | None = Field(
        None,
        description="Nothing: all rows. A column or columns: each of their slices. "
        "Column and value: that slice.",
    )

    @property
    def slice_columns(self) -> tuple[str, ...]:
        """The columns that the slice names."""
        if isinstance(self.slice, str):
            return (self.slice,)
        return tuple(self.slice or ())


class Threshold(Bound):
    """The metric's own value must be within bounds, or beat a reference."""

    min: float | None = None
    max: float | None = None
    beats: Literal["trivial"] | None = Field(
        None,
        description="trivial: the model must be better, by more than chance, than the best answer "
        "that looks at no input (docs/decisions/0023-beats-trivial.md).",
    )

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.min is None and self.max is None and self.beats is None:
            raise ValueError("give `min`, `max` or `beats`")
        if self.beats and not self.min is self.max is None:
            raise ValueError("`beats` takes no `min` or `max`: give them in another threshold")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"no model can meet it: min {self.min} is above max {self.max}")
        return self


class Change(Bound):
    """The metric must not be worse than the model in service's by more than this."""

    worse_by: float = Field(0.0, description="Absolute; negative asks for an improvement.")


class Evaluation(Section):
    """What is measured, on which slices, and what must hold for a push."""

    metrics: tuple[str, ...] | dict[str, tuple[str, ...]] = Field(
        (),
        description="If empty, the trainer module's own. Where there are several heads, by head.",
    )
    slices: tuple[str | tuple[str, ...], ...] = Field(
        (), description="A column, or a list of columns for a cross."
    )
    min_slice_size: int = Field(1, ge=1, description="Slices with fewer examples are left out.")
    thresholds: tuple[Threshold, ...] | None = Field(
        None, description="If not given, every head must beat the trivial answer; [] for none."
    )
    change: tuple[Change, ...] = ()
    without_baseline: bool = Field(
        False,
        description="Push although the model in service cannot be compared with: it needs a "
        "column that is gone, or has other classes. Only `change` needs it.",
    )

    def metrics_of(self, head: str) -> tuple[str, ...]:
        """The metrics that are asked of a head by name; empty for the trainer module's own."""
        return self.metrics.get(head, ()) if isinstance(self.metrics, dict) else self.metrics
