"""The schedule on disk: APScheduler's jobs in sqlite in Trainyard's home, one a recipe.

Any number of processes may look at it and change it, one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apscheduler.job import Job
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from filelock import FileLock
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from trainyard.errors import EnvironmentProblem, RecipeError, nearest
from trainyard.outputs import home
from trainyard.pipeline.scheduling import job, owed
from trainyard.pipeline.scheduling.cron import Cron
from trainyard.pipeline.scheduling.owed import Outcome
from trainyard.recipe_schema import RunSchedule


class Entry(BaseModel):
    """One line of the schedule.

    Attributes:
        recipe: The recipe's name.
        file: The recipe's file.
        cron: When, as the recipe or the command says it.
        timezone: What the cron's hours are of.
        next: When next; None if it is paused.
        owed: Since when a run is owed that has not ended; None if none is.
        last: How the last one ended.
    """

    recipe: str
    file: Path
    cron: str
    timezone: str
    next: datetime | None
    owed: datetime | None
    last: Outcome | None


def path() -> Path:
    """The sqlite file."""
    return home() / "schedule.sqlite"


def lock() -> FileLock:
    """Held while the schedule is read and changed; the kernel frees it with its process."""
    return FileLock(path().with_suffix(".lock"))


def add(recipe: str, file: Path, schedule: RunSchedule) -> Entry:
    """Puts a recipe on the schedule, in place of what was said of it before.

    Args:
        recipe: Its name.
        file: Its file.
        schedule: When.

    Returns:
        The line that it has now.

    Raises:
        EnvironmentProblem: The schedule cannot be read or written.
    """
    with opened() as scheduler:
        scheduler.add_job(
            job.REF,
            Cron(schedule),
            args=[recipe, str(file.absolute())],
            id=recipe,
            name=f"{schedule.cron} {schedule.timezone}",
            misfire_grace_time=schedule.grace and schedule.grace * 60,
            replace_existing=True,
        )
        return _entry(scheduler.get_job(recipe))


def entries() -> list[Entry]:
    """The whole schedule, what comes next first.

    Raises:
        EnvironmentProblem: It cannot be read.
    """
    if not path().exists():
        return []
    with opened() as scheduler:
        return [_entry(found) for found in scheduler.get_jobs()]


def pause(recipe: str) -> Entry:
    """Leaves a recipe on the schedule, but no longer runs it.

    Args:
        recipe: Its name.

    Returns:
        The line that it has now.

    Raises:
        RecipeError: It is not on the schedule.
        EnvironmentProblem: The schedule cannot be read or written.
    """
    with opened() as scheduler:
        _found(scheduler, recipe).pause()
        return _entry(scheduler.get_job(recipe))


def resume(recipe: str) -> Entry:
    """Runs a recipe again that was paused, from its next time on.

    Args:
        recipe: Its name.

    Returns:
        The line that it has now.

    Raises:
        RecipeError: It is not on the schedule.
        EnvironmentProblem: The schedule cannot be read or written.
    """
    with opened() as scheduler:
        _found(scheduler, recipe).resume()
        return _entry(scheduler.get_job(recipe))


def remove(recipe: str) -> None:
    """Takes a recipe off the schedule; a run that is going on goes on.

    Args:
        recipe: Its name.

    Raises:
        RecipeError: It is not on the schedule.
        EnvironmentProblem: The schedule cannot be read or written.
    """
    with opened() as scheduler:
        _found(scheduler, recipe).remove()
        owed.settle(recipe)


@contextmanager
def opened() -> Iterator[BaseScheduler]:
    """Opens the schedule to look at it and to change it; nothing runs.

    Raises:
        EnvironmentProblem: It cannot be read or written.
    """
    with readable():
        path().parent.mkdir(parents=True, exist_ok=True)
        with lock():
            scheduler = _Still(**settings())
            scheduler.start(paused=True)
            _replace_triggers(scheduler)
            try:
                yield scheduler
            finally:
                scheduler.shutdown(wait=False)


@contextmanager
def readable() -> Iterator[None]:
    """Turns what sqlite says of a broken file into one error.

    Raises:
        EnvironmentProblem: The schedule cannot be read or written.
    """
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        raise EnvironmentProblem(
            "the schedule cannot be read or written",
            where=str(path()),
            received=str(reason),
            hint="if the file is broken, delete it and put each recipe on the schedule again: "
            "trainyard schedule RECIPE",
        ) from None


def settings() -> dict[str, Any]:
    """How APScheduler keeps and counts: of several runs that were missed one is made up for."""
    return {
        "jobstores": {"default": SQLAlchemyJobStore(url=f"sqlite:///{path()}")},
        "job_defaults": {"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        "timezone": UTC,
    }


def _replace_triggers(scheduler: BaseScheduler) -> None:
    """Gives a `Cron` to entries of earlier versions: theirs lose days when clocks change."""
    for each in scheduler.get_jobs():
        if isinstance(each.trigger, CronTrigger | OrTrigger):
            cron, _, timezone = each.name.rpartition(" ")
            trigger = Cron(RunSchedule(cron=cron, timezone=timezone))
            each.modify(trigger=trigger)
            if each.next_run_time:
                following = trigger.get_next_fire_time(None, datetime.now(UTC))
                each.modify(next_run_time=min(each.next_run_time, following))


class _Still(BaseScheduler):  # type: ignore[misc]  # APScheduler is not typed
    """Has no loop that would look what is due, not even while it shuts down."""

    def wakeup(self) -> None:
        """Sleeps on."""

    def shutdown(self, wait: bool = True) -> None:
        """Closes the job store."""
        super().shutdown(wait)


def _found(scheduler: BaseScheduler, recipe: str) -> Job:
    found = scheduler.get_job(recipe)
    if found is None:
        known = [each.id for each in scheduler.get_jobs()]
        raise RecipeError(
            f"{recipe!r} is not on the schedule",
            hint=nearest(recipe, known) if known else "trainyard schedule RECIPE puts one there",
        )
    return found


def _entry(found: Job) -> Entry:
    cron, _, timezone = found.name.rpartition(" ")
    return Entry(
        recipe=found.id,
        file=Path(found.args[1]),
        cron=cron,
        timezone=timezone,
        next=found.next_run_time,
        owed=owed.since(found.id),
        last=owed.read_outcome(found.id),
    )
