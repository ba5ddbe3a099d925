"""Settings of the other stages: the gate and the push."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainyard.recipe_schema.base import Section

Anomaly = Literal[
    "new_column",
    "missing_column",
    "wrong_type",
    "new_category",
    "missing_values",
    "out_of_range",
    "too_few_rows",
    "drift",
    "label",
    "lost_digits",
    "other",
]


class Gate(Section):
    """Which anomalies stop the run; the others are only reported."""

    stop_on: tuple[Anomaly, ...] = (
        "missing_column",
        "wrong_type",
        "new_category",
        "missing_values",
        "out_of_range",
        "too_few_rows",
        "drift",
        "label",
        "other",
    )
    ignore_columns: tuple[str, ...] = ()
    min_rows: int = Field(10, ge=1, description="Fewest rows in each split.")


class Push(Section):
    """Where a blessed model goes: a directory that TensorFlow Serving reads."""

    destination: str | None = Field(
        None, description="Relative to the recipe; if not given, serving/NAME in Trainyard's home."
    )
    contract_rows: int = Field(
        100, ge=1, description="Raw rows through training graph and SavedModel before a push."
    )
    infra_validation: bool = Field(
        False, description="Those rows also through a model server of its own process: 5 s more."
    )
