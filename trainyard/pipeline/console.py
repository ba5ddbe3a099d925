"""What a person sees of a run: one live line a stage, and all else in log files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, ConsoleRenderable
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from trainyard import progress
from trainyard.pipeline.records import StageRecord
from trainyard.recipe_schema import secret_values

_MARKS = {"done": "[green]✓[/]", "unchanged": "[cyan]=[/]", "failed": "[red]✗[/]"}


class RunConsole:
    """Draws a run on what was standard output before stages redirected it.

    Where standard output is no terminal there is no live line, only one line
    per finished stage.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        # A copy of the descriptor: stages point descriptors 1 and 2 at their logs.
        stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="replace")
        self.console = Console(
            file=stream, highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty()
        )

    def say(self, text: str) -> None:
        """Prints a line of rich markup."""
        self.console.print(text)

    @contextmanager
    def stage(self, record: StageRecord) -> Iterator[None]:
        """Shows a stage while it runs and its outcome when it ends."""
        line = _LiveLine(record.name)
        live = Live(line, console=self.console, refresh_per_second=8, transient=True)
        shown = live if self.console.is_terminal else None
        try:
            if shown:
                shown.start()
            with progress.listening(line.update):
                yield
        finally:
            if shown:
                shown.stop()
            self._finished(record, line.text)

    def _finished(self, record: StageRecord, last_words: str) -> None:
        mark = _MARKS.get(record.state, " ")
        said = last_words if record.state == "done" else ""
        note = "; ".join(part for part in (said, record.reason) if part)
        self.say(f"{mark} {record.name:<17} {record.seconds:6.1f} s  [dim]{_escape(note)}[/]")


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


class _LiveLine:
    """A spinner, the stage's name, the elapsed time, a bar if the share is known, words."""

    def __init__(self, name: str) -> None:
        self._name, self._started = name, time.monotonic()
        self._spinner = Spinner("dots")
        self.text = ""
        self._fraction: float | None = None

    def update(self, text: str, fraction: float | None) -> None:
        self.text, self._fraction = text, fraction

    def __rich__(self) -> Table:
        row = Table.grid(padding=(0, 1))
        cells: list[ConsoleRenderable] = [
            self._spinner,
            Text(f"{self._name:<17}", style="bold"),
            Text(f"{time.monotonic() - self._started:6.1f} s"),
        ]
        if self._fraction is not None:
            cells.append(ProgressBar(total=1.0, completed=self._fraction, width=20))
        row.add_row(*cells, Text(self.text, style="dim"))
        return row


@contextmanager
def output_to(log: Path) -> Iterator[None]:
    """Sends everything the process prints, native libraries included, to a log file."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with log.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
        secret_values.hide_in_file(log)


def warn(warnings: Iterable[str]) -> None:
    """Prints what is allowed, but worth a look.

    Args:
        warnings: A sentence each.
    """
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    for text in warnings:
        console.print(f"warning: {text}")


@contextmanager
def working(text: str) -> Iterator[None]:
    """Shows on a terminal what a command without stages reports while it works.

    Args:
        text: What it begins with.
    """
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        yield
        return
    line = _LiveLine("")
    line.update(text, None)
    with Live(line, console=console, transient=True), progress.listening(line.update):
        yield
