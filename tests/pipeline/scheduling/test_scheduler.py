"""What is due runs once, whoever is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from tests.pipeline.scheduling.processes import killed, started, until
from trainyard.pipeline.scheduling import job, owed, schedule, scheduler
from trainyard.recipe_schema import RunSchedule

pytestmark = pytest.mark.e2e  # seconds each: processes start, are killed, start again

APPEND = "import sys; open(sys.argv[1], 'a').write('ran\\n')"
SLOW_AT_FIRST = (
    "import sys, time; first = not open(sys.argv[1], 'a').tell(); "
    "open(sys.argv[1], 'a').write('begun\\n'); time.sleep(60 * first); "
    "open(sys.argv[1], 'a').write('ended\\n')"
)


@pytest.fixture
def start(home, tmp_path):
    """Starts schedulers; what they say goes to a file."""
    with ExitStack() as stack:

        def begin():
            process = started(home, tmp_path / "said.txt")
            stack.callback(killed, process)
            return process

        yield begin


def put(name: str, code: str, file: Path, due: datetime, **options):
    """Puts a tiny command on the schedule, every hour."""
    with schedule.opened() as opened:
        opened.add_job(
            job.REF,
            IntervalTrigger(hours=1, start_date=due, timezone=UTC),
            args=[name, "none.yaml", "-c", code, str(file)],
            id=name,
            name="0 * * * * UTC",
            next_run_time=due,
            **options,
        )


def lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def ago(**time) -> datetime:
    return datetime.now(UTC) - timedelta(**time)


def test_missed_runs_are_made_up_for_once_whoever_is_killed(start, home, tmp_path):
    file = tmp_path / "lines.txt"
    put("late", APPEND, file, ago(hours=3, minutes=5))  # missed four times
    first = start()
    until(lambda: owed.read_outcome("late"))
    killed(first)
    assert lines(file) == ["ran"]
    (entry,) = schedule.entries()
    assert entry.next > datetime.now(UTC)
    start()
    time.sleep(3)
    assert lines(file) == ["ran"]


def test_a_run_that_was_killed_is_owed_and_runs_once_more(start, home, tmp_path):
    file = tmp_path / "lines.txt"
    put("slow", SLOW_AT_FIRST, file, ago(seconds=1))
    first = start()
    until(lambda: lines(file) == ["begun"])
    killed(first)
    assert owed.since("slow")
    assert schedule.entries()[0].owed
    second = start()
    until(lambda: owed.since("slow") is None)
    assert lines(file) == ["begun", "begun", "ended"]
    assert owed.read_outcome("slow").code == 0
    killed(second)
    start()
    time.sleep(3)
    assert lines(file) == ["begun", "begun", "ended"]


def test_too_late_is_left_out_and_not_owed(start, home, tmp_path):
    file = tmp_path / "lines.txt"
    put("strict", APPEND, file, ago(minutes=30), misfire_grace_time=60)
    start()
    until(lambda: schedule.entries()[0].next > datetime.now(UTC))
    until(lambda: "more overdue" in (tmp_path / "said.txt").read_text())
    assert owed.since("strict") is None
    assert lines(file) == []


def test_what_others_change_is_taken_up(start, home, tmp_path):
    start()
    file = tmp_path / "lines.txt"
    put("added", APPEND, file, ago(seconds=1))
    until(lambda: lines(file) == ["ran"])
    put("paused", APPEND, tmp_path / "never.txt", ago(seconds=-4))
    schedule.pause("paused")
    time.sleep(6)
    assert lines(tmp_path / "never.txt") == []


def test_a_recipe_that_is_gone_is_one_clear_error(start, home, tmp_path):
    schedule.add("gone", tmp_path / "gone.yaml", RunSchedule(cron="* * * * *"))
    with schedule.opened() as opened:
        opened.modify_job("gone", next_run_time=ago(seconds=1))
    start()
    until(lambda: owed.read_outcome("gone"))
    outcome = owed.read_outcome("gone")
    assert outcome.code == 2
    assert outcome.error.startswith(f"there is no recipe '{tmp_path / 'gone.yaml'}'")
    until(lambda: "gone: ended with 2: there is no recipe" in (tmp_path / "said.txt").read_text())


def test_one_scheduler_only(start, home, tmp_path):
    first = start()
    ended = subprocess.run(
        [sys.executable, "-m", "trainyard", "scheduler"], capture_output=True, text=True
    )
    assert ended.returncode == 9
    assert f"a scheduler is running already (process {first.pid})" in ended.stderr
    killed(first)
    assert scheduler.running() is None


def test_a_broken_schedule_is_one_clear_error(home):
    home.mkdir()
    schedule.path().write_bytes(b"this is no sqlite file" * 100)
    for command in (["scheduler"], ["schedule", "list"], ["status"]):
        ended = subprocess.run(
            [sys.executable, "-m", "trainyard", *command], capture_output=True, text=True
        )
        assert ended.returncode == 8
        assert "error: " in ended.stderr
        assert "the schedule cannot be read or written" in ended.stderr
        assert "file is not a database" in ended.stderr
        assert "Traceback" not in ended.stderr
