"""A note that the model in service was not compared with; needs no TensorFlow to read."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

FILE = "comparison.json"
"""Lies beside TFMA's files, which it does not disturb: their readers go by name."""


class Omitted(BaseModel):
    """Why the model in service was not compared with.

    Attributes:
        model: Where its artifact is.
        reasons: Each says what the model needs that the rows do not have.
        blocks: Whether its challenger is not blessed for that: there are change thresholds.
    """

    model: str
    reasons: list[str]
    blocks: bool


def write(folder: Path, omitted: Omitted) -> None:
    """Writes the note into an evaluation."""
    (folder / FILE).write_text(omitted.model_dump_json(), encoding="utf-8")


def read(folder: Path) -> Omitted | None:
    """Reads the note of an evaluation; None if there is none."""
    file = folder / FILE
    return Omitted.model_validate_json(file.read_bytes()) if file.exists() else None
