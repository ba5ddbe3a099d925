"""What was decided of a recipe's versions, when, by whom and why: `decisions.jsonl`.

Lines are only ever appended. Needs no TensorFlow.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

What = Literal["promote", "roll back", "canary", "shadow", "refuse", "retrain", "alarm"]


class Decision(BaseModel):
    """One line.

    Attributes:
        at: When, in UTC.
        what: What was decided; a word of `What`.
        version: Of which version; None: of none.
        reason: Why, in a sentence.
        by: Who: a command, a rule, a schedule.
    """

    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    what: str
    version: int | None = None
    reason: str
    by: str


def record(recipe: Recipe, what: What, version: int | None, reason: str, by: str) -> Decision:
    """Appends a decision; it is on the disk when this returns.

    Args:
        recipe: Whose model it is about.
        what: What was decided.
        version: Of which version; None: of none.
        reason: Why, in a sentence.
        by: Who: a command, a rule, a schedule.

    Returns:
        What was written.
    """
    decision = Decision(what=what, version=version, reason=reason, by=by)
    file = _file(recipe)
    file.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # A torn line of a writer that was killed stays a line of its own.
        begin = "\n" if _torn(target) else ""
        os.write(target, f"{begin}{decision.model_dump_json()}\n".encode())
        os.fsync(target)
    finally:
        os.close(target)
    return decision


def read(recipe: Recipe) -> list[Decision]:
    """Reads all decisions, oldest first; lines that were torn by a kill are left out.

    Args:
        recipe: Whose.
    """
    try:
        lines = _file(recipe).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [decision for line in lines if (decision := _parsed(line)) is not None]


def _file(recipe: Recipe) -> Path:
    return Workspace.of(recipe).root / "decisions.jsonl"


def _torn(file: int) -> bool:
    size = os.fstat(file).st_size
    return size > 0 and os.pread(file, 1, size - 1) != b"\n"


def _parsed(line: bytes) -> Decision | None:
    try:
        return Decision.model_validate_json(line)
    except ValidationError:
        return None
