"""Every error a user can cause, and the exit code each one ends with.

TrainyardError          1  anything that has no code of its own
├── RecipeError         2  the recipe: a key, a type, a value, a reference
├── DataError           3  the data: a file, a row, a column
├── AnomalyError        4  the gate stopped the run
├── TrainingError       5  training diverged or the module is at fault
├── NotPushedError      6  the run ended, and the model was not good enough
├── ContractError       7  the pushed model would not answer as the trained one
├── EnvironmentProblem  8  disk, permissions, memory, versions
└── BusyError           9  another run of the recipe is going on
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TrainyardError(Exception):
    """One clear error: what happened, where, what was expected, what to do.

    Args:
        message: What happened, in one sentence; it names the file, column or key.
        where: The place, such as `recipes/a.yaml:12:3` or `trips.csv, row 7`.
        expected: What would have been right.
        received: What came instead.
        hint: What the user can do about it.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        expected: str = "",
        received: str = "",
        hint: str = "",
    ) -> None:
        self.message = message
        self.where = where
        self.expected = expected
        self.received = received
        self.hint = hint
        super().__init__(str(self))

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not pickle by themselves.
        return (
            _rebuild,
            (type(self), self.message, self.where, self.expected, self.received, self.hint),
        )

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        labelled = {"expected": self.expected, "received": self.received, "what to do": self.hint}
        lines += [f"  {label}: {text}" for label, text in labelled.items() if text]
        return "\n".join(lines)


def _rebuild(
    cls: type[TrainyardError], message: str, where: str, expected: str, received: str, hint: str
) -> TrainyardError:
    return cls(message, where=where, expected=expected, received=received, hint=hint)


class RecipeError(TrainyardError):
    """The recipe is wrong."""

    exit_code = 2


class DataError(TrainyardError):
    """The data cannot be read as the recipe says."""

    exit_code = 3


class AnomalyError(TrainyardError):
    """The gate found anomalies that stop the run."""

    exit_code = 4


class TrainingError(TrainyardError):
    """Training could not be carried out or gave nothing usable."""

    exit_code = 5


class NotPushedError(TrainyardError):
    """The run ended, but the model did not pass its thresholds."""

    exit_code = 6


class ContractError(TrainyardError):
    """The exported model does not answer as the trained one does."""

    exit_code = 7


class EnvironmentProblem(TrainyardError):  # noqa: N818  # EnvironmentError is Python's own
    """The machine cannot do it: disk, permissions, memory or versions."""

    exit_code = 8


class BusyError(TrainyardError):
    """Another run of the same recipe holds the lock."""

    exit_code = 9


_DELIMITERS = ",;\t|"


def nearest(word: str, choices: Iterable[str]) -> str:
    """Returns a hint that names the nearest choice, or the choices there are.

    Args:
        word: What the user wrote.
        choices: What would have been valid; if nothing, the hint says so.
    """
    names = sorted(map(str, choices))
    if not names:
        return "there is none to choose from"
    match = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    listed = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    return f"did you mean {match[0]!r}?" if match else f"choose one of: {listed}"


def _beginning(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def nearest_column(name: str, columns: Iterable[str]) -> str:
    """Like `nearest`, for a table's columns: a header that was not cut is the first suspect.

    Args:
        name: The column that is not there.
        columns: Those that are.
    """
    there = list(columns)
    uncut = ((text, mark) for text in there for mark in _DELIMITERS if mark in text)
    for text, mark in uncut:
        if len(there) == 1 or name in (field.strip(" \"'") for field in text.split(mark)):
            return (
                f"the header has {_beginning(text)!r} as one column: if {mark!r} stands between "
                "the fields, either `data.delimiter` must be that too, or the file must be written "
                "with the delimiter that `data.delimiter` names"
            )
    return nearest(name, there)
