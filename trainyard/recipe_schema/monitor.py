"""What `trainyard monitor` watches, and from where on it raises an alarm."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator

from trainyard.recipe_schema.base import Section
from trainyard.recipe_schema.secret_values import SecretUrl

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

Distance = Annotated[float | None, Field(ge=0)]


class Monitor(Section):
    """What `trainyard monitor` watches, and from where on it raises an alarm.

    A distance from training alarms if it is beyond its threshold, and beyond what chance would
    do with so few rows (`level`). A threshold of null is not watched.
    """

    window: int | str = Field(
        "24h",
        description="What is looked at of the request log: the last minutes, hours or days (30m, "
        "24h, 7d), or so many of the newest rows.",
    )
    min_rows: int = Field(200, ge=20, description="With fewer in the window nothing is judged.")
    sample: int = Field(
        20_000, ge=100, description="Rows of training, and of the window, that are compared."
    )
    level: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="The chance that a look raises any false alarm though nothing has changed. "
        "Corrected for the number of columns (Holm).",
    )
    ignore_columns: tuple[str, ...] = ()
    linf: Distance = Field(
        0.1, description="Categories: the largest change of a value's share (L-infinity)."
    )
    js: Distance = Field(
        0.05, description="Numbers: Jensen-Shannon divergence, to base 2, over the bins of `psi`."
    )
    ks: Distance = Field(
        0.1, description="Numbers: Kolmogorov-Smirnov, the largest distance of the distributions."
    )
    psi: Distance = Field(
        0.2,
        description="Population stability index, of either: over tenths of training, where a value "
        "that many rows share is a bin of its own.",
    )
    missing: Distance = Field(0.05, description="Change of the share of rows without a value.")
    new_categories: Distance = Field(
        0.01,
        description="Share of rows with a value that training did not see, beyond what is "
        "expected of rare values.",
    )
    out_of_range: Distance = Field(
        0.01,
        description="Share of rows with a number beyond the schema's bounds, or if it has "
        "none beyond those of training.",
    )
    prediction: Distance = Field(
        0.1,
        description="Distance of the answers from those to rows that training did not see: numbers "
        "Kolmogorov-Smirnov, classes L-infinity.",
    )
    quality: Distance = Field(
        0.05,
        description="With labels: how much worse a metric may be than the Evaluator measured, on "
        "all rows and on each slice; of errors in numbers a share of what was measured.",
    )
    concept: Distance = Field(
        0.05,
        description="With labels: how far labels may have moved where the answers are the same; "
        "a share of rows, of numbers Kolmogorov-Smirnov of the errors.",
    )
    latency_ms: Distance = Field(
        1000.0, description="99th percentile of what the server takes for a request."
    )
    error_rate: Distance = Field(0.01, description="Share of requests that the server refused.")
    webhook: SecretUrl | None = Field(
        None,
        description="Where a report with alarms is sent as JSON (POST): an address, or as it is "
        "a secret `${env:NAME}` or `${file:PATH}`.",
    )

    @field_validator("window")
    @classmethod
    def _time_or_rows(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value > 0:
            return value
        if isinstance(value, str) and re.fullmatch(r"[1-9]\d*[mhd]", value):
            return value
        raise ValueError("minutes, hours or days such as `30m`, `24h`, `7d`; or a number of rows")

    @property
    def span(self) -> timedelta | None:
        """How far back the window goes; None if it is a number of rows."""
        if isinstance(self.window, int):
            return None
        return timedelta(**{_UNITS[self.window[-1]]: int(self.window[:-1])})
