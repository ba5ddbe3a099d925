"""The schedule on a screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import RenderableType
from rich.table import Table

from trainyard.pipeline.scheduling import scheduler
from trainyard.pipeline.scheduling.schedule import Entry


def line(entry: Entry) -> str:
    """One recipe in a line.

    Args:
        entry: Its line of the schedule.
    """
    return f"{entry.recipe}: {following(entry)}  ({entry.cron})"


def following(entry: Entry) -> str:
    """When a recipe runs next, in its own time zone.

    Args:
        entry: Its line of the schedule.
    """
    if entry.next is None:
        return "paused"
    return f"next at {moment(entry.next.astimezone(ZoneInfo(entry.timezone)))} {entry.timezone}"


def listing(entries: Sequence[Entry]) -> RenderableType:
    """A line a recipe.

    Args:
        entries: The schedule.
    """
    table = Table("recipe", "when", "next", "last", "", box=None, pad_edge=False)
    for entry in entries:
        table.add_row(entry.recipe, entry.cron, following(entry), _last(entry), _state(entry))
    return table


def scheduler_line() -> str:
    """Says whether anything runs what is on the schedule."""
    found = scheduler.running()
    return (
        f"scheduler: process {found.pid}"
        if found
        else "scheduler: not running; start it with: trainyard scheduler"
    )


def moment(at: datetime) -> str:
    """A time as a person reads it.

    Args:
        at: When.
    """
    return f"{at:%Y-%m-%d %H:%M}"


def _last(entry: Entry) -> str:
    if entry.last is None:
        return "never"
    how = {0: "done", 6: "not pushed", 9: "busy"}.get(entry.last.code, f"error {entry.last.code}")
    return f"{moment(entry.last.at)} UTC: {how}"


def _state(entry: Entry) -> str:
    if not entry.file.is_file():
        return f"the recipe is gone: {entry.file}"
    if entry.owed:
        return f"owed since {moment(entry.owed)} UTC" if not scheduler.running() else "running now"
    return entry.last.error.splitlines()[0] if entry.last and entry.last.error else ""
