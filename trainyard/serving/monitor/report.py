"""What a look at the request log found: a JSON file that others read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from trainyard.files import write_whole

FILE = "latest.json"

Kind = Literal[
    "linf",
    "js",
    "ks",
    "psi",
    "missing",
    "new_categories",
    "out_of_range",
    "prediction",
    "quality",
    "concept",
    "latency_ms",
    "error_rate",
]
"""What is measured; each is called as its threshold in the recipe's section `monitor`."""


class Window(BaseModel):
    """The stretch of the request log that was looked at.

    Attributes:
        asked: What the recipe calls it, such as `24h` or `5000 rows`.
        since: When the oldest request in it was answered.
        until: When the newest was.
    """

    asked: str
    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M:%S} to {self.until:%Y-%m-%d %H:%M:%S} UTC"


class Measure(BaseModel):
    """One thing that was measured, whether it alarms or not.

    Attributes:
        kind: What was measured.
        column: Of which column, or output of the model; empty for the server's own.
        slice: Of which slice, such as `sex=Female`; empty for all rows.
        measured: Its value in the window.
        reference: Its value in training, where the measure is no distance from there.
        threshold: How large it may be, or how far it may be from the reference.
        p_value: How likely so large a value is if nothing has changed, corrected for all that
            was tested in this report; None for what is counted and not estimated.
        alarming: Whether it is beyond the threshold, and not by chance.
    """

    kind: Kind
    column: str = ""
    slice: str = ""
    measured: float
    reference: float | None = None
    threshold: float
    p_value: float | None = None
    alarming: bool = False


class Alarm(BaseModel):
    """One thing that is not as it was in training.

    Attributes:
        kind: What was measured.
        column: Of which column, or output of the model; empty for the server's own.
        slice: Of which slice; empty for all rows.
        measured: Its value in the window.
        threshold: What the recipe allows.
        window: When, in words.
        sentence: All of it in words, for a person.
    """

    kind: Kind
    column: str = ""
    slice: str = ""
    measured: float
    threshold: float
    window: str
    sentence: str


class MonitorReport(BaseModel):
    """One look at the request log.

    Attributes:
        recipe: The recipe's name.
        version: The pushed version that is watched.
        run: The run that trained it, whose rows are the reference.
        at: When the log was looked at.
        window: What was looked at.
        rows: How many rows the window has.
        judged: Whether these are enough to judge by; else there are only measures of the server.
        labelled: How many of the rows have a label by now.
        alarms: What is not as it was in training; empty if all is well.
        measures: All that was measured.
        notes: What is not watched, and why, in sentences.
    """

    recipe: str
    version: int
    run: str
    at: datetime
    window: Window
    rows: int
    judged: bool = True
    labelled: int = 0
    alarms: list[Alarm] = Field(default_factory=list)
    measures: list[Measure] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Writes the report beside its place, then renames it.

        Args:
            folder: The recipe's monitor folder.
        """
        write_whole(folder / FILE, self.model_dump_json(indent=1))


def read(folder: Path) -> MonitorReport | None:
    """Reads the newest report; None if nobody has looked yet.

    Args:
        folder: The recipe's monitor folder.
    """
    file = folder / FILE
    if not file.exists():
        return None
    return MonitorReport.model_validate_json(file.read_text(encoding="utf-8"))
