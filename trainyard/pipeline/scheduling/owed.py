"""What the schedule owes a recipe, and what became of it last: small files in its workspace.

A run is owed from when it is due until it has ended, however it ended. A scheduler or a run that
was killed leaves the note behind, and the next scheduler makes up for it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from trainyard.files import write_whole
from trainyard.outputs import home


class Outcome(BaseModel):
    """How a scheduled run ended.

    Attributes:
        at: When.
        code: The command's exit code: 0 done, 6 not pushed, others as `trainyard --help` says.
        error: The error as it was shown; empty if there was none.
        log: The file with all that it printed.
    """

    at: datetime
    code: int
    error: str = ""
    log: Path


def folder(recipe: str) -> Path:
    """Where the notes and the logs of a recipe's scheduled runs are.

    Args:
        recipe: Its name.
    """
    return home() / recipe / "scheduled"


def note(recipe: str, due: datetime) -> None:
    """Notes that a run is owed; on the disk when this returns.

    Args:
        recipe: Its name.
        due: Since when.
    """
    write_whole(_file(recipe), due.astimezone(UTC).isoformat())


def since(recipe: str) -> datetime | None:
    """Since when a run is owed; None if none is.

    Args:
        recipe: Its name.
    """
    try:
        return datetime.fromisoformat(_file(recipe).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def settle(recipe: str) -> None:
    """Notes that nothing is owed any more.

    Args:
        recipe: Its name.
    """
    _file(recipe).unlink(missing_ok=True)


def write_outcome(recipe: str, outcome: Outcome) -> None:
    """Keeps how a scheduled run ended.

    Args:
        recipe: Its name.
        outcome: What became of it.
    """
    write_whole(folder(recipe) / "last.json", outcome.model_dump_json(indent=1))


def read_outcome(recipe: str) -> Outcome | None:
    """Reads how the last scheduled run ended; None if there was none.

    Args:
        recipe: Its name.
    """
    file = folder(recipe) / "last.json"
    return Outcome.model_validate_json(file.read_bytes()) if file.exists() else None


def _file(recipe: str) -> Path:
    return folder(recipe) / "owed"
