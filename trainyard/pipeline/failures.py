"""Turns whatever a stage raised into one clear error, the user's own line first."""

from __future__ import annotations

import errno
import sqlite3
import traceback
from pathlib import Path

from trainyard.errors import EnvironmentProblem, TrainingError, TrainyardError
from trainyard.recipe_schema.secret_values import hide
from trainyard.trainer_modules.harness import blame

_DISK_WORDS = ("no space left", "disk is full", "database or disk is full", "out of space")


def explain(error: BaseException, stage: str, log: Path) -> TrainyardError:
    """Finds the error that a person can act on.

    Args:
        error: What the stage raised; its causes are searched too.
        stage: The stage's name.
        log: Where the whole story is.

    Returns:
        Trainyard's own error if there is one in the chain, else one made from it.
    """
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, TrainyardError):
            return cause
    for cause in chain:
        known = _environment(cause)
        if known:
            return known
    return _unknown(chain[-1], stage, log)


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _environment(error: BaseException) -> EnvironmentProblem | None:
    text = str(error).lower()
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(
        words in text for words in _DISK_WORDS
    ):
        return EnvironmentProblem(
            "the disk is full",
            where=str(getattr(error, "filename", None) or ""),
            hint="free some space (see trainyard doctor), then: trainyard resume",
        )
    if getattr(error, "errno", None) in (errno.EACCES, errno.EROFS, errno.EPERM) or (
        isinstance(error, sqlite3.OperationalError) and "readonly" in text
    ):
        return EnvironmentProblem(
            f"cannot write: {error}", hint="make the folder writable, or set TRAINYARD_HOME"
        )
    if isinstance(error, MemoryError) or "resource exhausted" in text or "oom when" in text:
        return EnvironmentProblem(
            "memory ran out", hint="lower trainer.batch_size, or use a machine with more memory"
        )
    return None


def _unknown(error: BaseException, stage: str, log: Path) -> TrainyardError:
    own = blame.own_line(error)
    last = own or next(reversed(traceback.extract_tb(error.__traceback__)), None)
    where = blame.shown(last) if last else ""
    line = f"\n  > {last.line}" if last and last.line else ""
    text = hide(str(error)).strip() or "no message"
    first = text.splitlines()[0][:500]
    return (TrainingError if own else TrainyardError)(
        f"{stage} failed: {type(error).__name__}: {first}{line}",
        where=where,
        hint=f"the whole story is in {log}",
    )
