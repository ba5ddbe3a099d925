"""What the scheduler does when a recipe is due: a command in a process of its own.

The schedule on disk names `run` by its dotted path.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from trainyard.outputs import home
from trainyard.pipeline.scheduling import owed
from trainyard.pipeline.scheduling.owed import Outcome

REF = f"{__name__}:run"
"""What the schedule on disk calls it."""

_STOPPED = (130, -signal.SIGINT, -signal.SIGTERM)
_KEPT_LOGS = 50


def run(recipe: str, file: str, *command: str) -> None:
    """Looks whether a recipe has to be trained again, and trains it.

    However that ends, nothing is owed any more. Only being stopped is no end: who stops the
    scheduler, by Ctrl-C or as a service, stops this command with it.

    Args:
        recipe: The recipe's name.
        file: The recipe's file.
        *command: For the Python interpreter, in place of `trainyard retrain`.
    """
    log = _new_log(recipe)
    with log.open("w", encoding="utf-8") as stream:
        code = subprocess.run(
            [sys.executable, *(command or _retrain(file))],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TRAINYARD_HOME": str(home())},
            check=False,
        ).returncode
    if code in _STOPPED:
        return
    owed.write_outcome(
        recipe, Outcome(at=datetime.now(UTC), code=code, error=_error(log, code), log=log)
    )
    owed.settle(recipe)


def _retrain(file: str) -> list[str]:
    return ["-m", "trainyard", "retrain", file, "--by", "schedule"]


def _new_log(recipe: str) -> Path:
    folder = owed.folder(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("*.log"))[: 1 - _KEPT_LOGS]:
        old.unlink()
    return folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.log"


def _error(log: Path, code: int) -> str:
    """What the command said went wrong; it says so last."""
    if code < 0:
        return f"the process was killed by {signal.Signals(-code).name}"
    text = log.read_text(encoding="utf-8", errors="replace")
    return text.rpartition("error: ")[2].strip() if code and "error: " in text else ""
