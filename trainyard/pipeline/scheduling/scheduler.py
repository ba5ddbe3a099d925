"""The process that runs what the schedule says. It may be killed at any moment.

It stops as it is killed: what it knows is on the disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.schedulers.blocking import BlockingScheduler
from filelock import FileLock, Timeout
from pydantic import BaseModel

from trainyard.errors import BusyError
from trainyard.files import write_whole
from trainyard.outputs import home
from trainyard.pipeline import processes
from trainyard.pipeline.scheduling import owed, schedule

_POLL_SECONDS = 2.0

Say = Callable[[str], None]


class Running(BaseModel):
    """The scheduler's process.

    Attributes:
        pid: Its number.
        since: When it began, in seconds since 1970.
    """

    pid: int
    since: float


def running() -> Running | None:
    """Returns the scheduler's process; None if there is none."""
    try:
        noted = Running.model_validate_json(_note().read_bytes())
    except FileNotFoundError:
        return None
    return noted if processes.alive(noted.pid, noted.since) else None


def run(say: Say, at_once: int = 1) -> None:
    """Runs what is due, and what is owed since an earlier scheduler, until it is killed.

    Args:
        say: Takes a line for a person.
        at_once: How many recipes may run at the same time; none does so twice.

    Raises:
        BusyError: There is a scheduler already.
        EnvironmentProblem: The schedule cannot be read.
    """
    with schedule.readable():
        home().mkdir(parents=True, exist_ok=True)
    with _only_one(), schedule.readable():
        _make_up(say)
        scheduler = _Scheduler(**schedule.settings(), executors={"default": _Executor(at_once)})
        scheduler.add_listener(
            partial(_tell, say),
            EVENT_JOB_SUBMITTED | EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED,
        )
        scheduler.start()


class _Scheduler(BlockingScheduler):  # type: ignore[misc]  # APScheduler is not typed
    """Takes its turn with the processes that change the schedule, and looks what they changed.

    Private to APScheduler 3.11: `_process_jobs`, which starts what is due and says how many
    seconds there is nothing to do.
    """

    def _process_jobs(self) -> float:
        with schedule.lock():
            wait = super()._process_jobs()
        return _POLL_SECONDS if wait is None else min(wait, _POLL_SECONDS)


class _Executor(ThreadPoolExecutor):  # type: ignore[misc]
    """Notes what is owed before the schedule moves on to the job's next time."""

    def _do_submit_job(self, job: Job, run_times: list[datetime]) -> None:
        owed.note(job.id, run_times[-1])
        super()._do_submit_job(job, run_times)


def _make_up(say: Say) -> None:
    """Has what is owed run now, whatever was missed together with it."""
    with schedule.opened() as scheduler:
        jobs = scheduler.get_jobs()
        say(f"process {os.getpid()}; on the schedule: {', '.join(j.id for j in jobs) or 'nothing'}")
        for job in jobs:
            due = owed.since(job.id)
            if due and job.next_run_time:
                say(f"{job.id}: owed since {due:%Y-%m-%d %H:%M:%S} UTC")
                job.modify(next_run_time=datetime.now(UTC))


def _tell(say: Say, event: JobEvent) -> None:
    outcome = owed.read_outcome(event.job_id)
    if event.code == EVENT_JOB_SUBMITTED:
        say(f"{event.job_id}: due")
    elif event.code == EVENT_JOB_MISSED:
        owed.settle(event.job_id)
        say(f"{event.job_id}: left out, more overdue than its grace allows")
    elif event.code == EVENT_JOB_ERROR:
        say(f"{event.job_id}: {event.exception}")
    elif outcome:
        error = f": {outcome.error.splitlines()[0]}" if outcome.error else ""
        say(f"{event.job_id}: ended with {outcome.code}{error}; log: {outcome.log}")


@contextmanager
def _only_one() -> Iterator[None]:
    try:
        with FileLock(home() / "scheduler.lock", timeout=0):
            noted = Running(pid=os.getpid(), since=time.time())
            write_whole(_note(), noted.model_dump_json())
            yield
    except Timeout:
        other = running()
        raise BusyError(
            f"a scheduler is running already{f' (process {other.pid})' if other else ''}",
            where=str(home()),
            hint="trainyard schedule list shows what it does; it takes up changes by itself",
        ) from None


def _note() -> Path:
    return home() / "scheduler.json"
