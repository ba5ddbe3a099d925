"""Rows that could not be read: set aside word for word, counted, never dropped in silence."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple, Self

from pydantic import BaseModel

from trainyard.errors import DataError
from trainyard.files import write_whole
from trainyard.wording import counted

FOLDER = "quarantine"
ROWS = "rows.jsonl"
_SUMMARY = "summary.json"


class BadRow(NamedTuple):
    """A row that cannot be read.

    Attributes:
        row: Its number in the file; 1 follows the header.
        reason: What is wrong, in the same words for all rows of a kind.
        detail: What is wrong with this one.
        text: The row as it stands in the file. A byte that is not in the file's
            encoding is a lone surrogate, as Python's `surrogateescape` has it.
    """

    row: int
    reason: str
    detail: str
    text: str


class Summary(BaseModel):
    """What was set aside.

    Attributes:
        bad: How many rows.
        rows: Of how many.
        reasons: How many for each reason, the most frequent first.
    """

    bad: int
    rows: int
    reasons: dict[str, int]

    def sentence(self) -> str:
        """Says in one line what was set aside, and why."""
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in self.reasons.items())
        verb = "was" if self.bad == 1 else "were"
        return f"{self.bad:,} of {counted(self.rows, 'row')} {verb} set aside: {reasons}"


class Quarantine:
    """Writes bad rows to a file of JSON lines beside the splits, made with the first of them.

    Args:
        folder: The artifact's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._stream: IO[str] | None = None
        self._reasons: Counter[str] = Counter()
        self._first = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream:
            self._stream.close()

    @property
    def count(self) -> int:
        """How many rows have been set aside."""
        return self._reasons.total()

    def add(self, file: Path, bad: Iterable[BadRow]) -> None:
        """Sets rows aside.

        Args:
            file: The file they are in.
            bad: The rows.
        """
        for row in bad:
            if self._stream is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._stream = (self._folder / ROWS).open("w", encoding="ascii")
                self._first = f"{file}, row {row.row}: {row.reason} ({row.detail})"
            json.dump({"file": str(file), **row._asdict()}, self._stream)
            self._stream.write("\n")
            self._reasons[row.reason] += 1

    def finish(self, good: int, max_share: float) -> Summary:
        """Writes the summary, if any row was set aside.

        Args:
            good: How many rows could be read.
            max_share: The largest share of all rows that may be bad.

        Raises:
            DataError: More are bad.
        """
        summary = Summary(
            bad=self.count, rows=good + self.count, reasons=dict(self._reasons.most_common())
        )
        if summary.bad > max_share * summary.rows:
            raise DataError(
                f"too many bad rows: {summary.sentence()}",
                where=self._first,
                expected=f"at most {max_share:.4g} of all rows (`data.max_bad_share`)",
                received=f"{summary.bad / summary.rows:.4g}",
                hint="is the file what the recipe says (delimiter, encoding, columns)? "
                "Else allow more in `data.max_bad_share`",
            )
        if summary.bad:
            write_whole(self._folder / _SUMMARY, summary.model_dump_json(indent=1))
        return summary


def read(folder: Path) -> Summary | None:
    """Reads what ExampleGen set aside; None if it set nothing aside.

    Args:
        folder: The artifact's folder.
    """
    file = folder / FOLDER / _SUMMARY
    return Summary.model_validate_json(file.read_text("utf-8")) if file.exists() else None
