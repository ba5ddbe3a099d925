"""Every run of four years against all minutes of those years, each looked at on the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from apscheduler.job import Job

from trainyard.pipeline.scheduling.cron import Cron
from trainyard.recipe_schema import RunSchedule

BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
STEP = 30  # minutes: clocks change at none in between
ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # leaves out midnight, and has the hour before it twice
    "Australia/Lord_Howe",  # half an hour
    "Asia/Kolkata",
]
DAILY = [
    "0 0 * * *",
    "5 0 * * *",
    "30 0 * * *",
    "30 1 * * *",
    "30 2 * * *",
    "15 2,14 * * *",
    "59 23 * * *",
    "0 0 * * mon",
    "30 2 * * sun",
    "0 0 1 * *",
    "30 2 29 2 *",
    "0 3 13 * fri",
    "0 0 */2 * mon",
    "45 */6 1-7 3,4,9-11 *",
]
FREQUENT = ["*/15 * * * *", "7 * * * *", "* * * * *", "30 * * * sun", "*/20 0-3 * * *"]


class Wall(NamedTuple):
    """Minutes of wall clocks, and the five fields that a cron looks at, each `[minutes]`."""

    times: np.ndarray
    fields: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, times: np.ndarray) -> Wall:
        """Reads the fields off NumPy's calendar; times are minutes since 1970."""
        months = times.astype("datetime64[m]").astype("datetime64[M]")
        days = times // 1440
        fields = (
            times % 60,
            times // 60 % 24,
            days - months.astype("datetime64[D]").astype(int) + 1,
            months.astype(int) % 12 + 1,
            (days + 4) % 7,
        )
        return cls(times, tuple(field.astype(np.int8) for field in fields))

    def shown(self, cron: str) -> np.ndarray:
        """Says at which of the times a cron's fields fit."""
        names = {"sun": "0", "mon": "1", "fri": "5"}
        found = []
        for text, field in zip(RunSchedule(cron=cron).plain.split(), self.fields, strict=True):
            numbers = [int(names.get(part, part)) for part in text.split(",") if text != "*"]
            found.append(np.isin(field, numbers) | (text == "*"))
        minute, hour, day, month, weekday = found
        either = not any(cron.split()[place].startswith("*") for place in (2, 4))
        return minute & hour & month & (day | weekday if either else day & weekday)


class Years(NamedTuple):
    """All minutes of the years in a zone: of UTC, on the wall, and whether the wall repeats one."""

    zone: str
    instants: np.ndarray
    wall: Wall
    again: np.ndarray

    @classmethod
    def of(cls, zone: str) -> Years:
        instants = np.arange(int(BEGIN.timestamp()) // 60, int(END.timestamp()) // 60)
        looked = (datetime.fromtimestamp(int(m) * 60, ZoneInfo(zone)) for m in instants[::STEP])
        offsets = [at.utcoffset() // timedelta(minutes=1) for at in looked]
        times = instants + np.repeat(offsets, STEP)
        again = np.concatenate([[False], times[1:] <= np.maximum.accumulate(times)[:-1]])
        return cls(zone, instants, Wall.of(times), again)

    @property
    def changes(self) -> np.ndarray:
        """Before which minutes the wall clock jumps."""
        return np.flatnonzero(np.diff(self.wall.times) != 1) + 1

    def due(self, cron: str) -> np.ndarray:
        """Minutes of UTC at which a cron is due."""
        due = self.wall.shown(cron)
        if cron.split()[1] == "*":
            return self.instants[due]
        due &= ~self.again
        for i in self.changes:
            left_out = np.arange(self.wall.times[i - 1] + 1, self.wall.times[i])
            due[i] |= Wall.of(left_out).shown(cron).any()
        return self.instants[due]


@pytest.fixture(scope="module", params=ZONES)
def years(request) -> Years:
    return Years.of(request.param)


def runs(cron: str, zone: str, begin: datetime = BEGIN) -> Iterator[datetime]:
    """The times of a schedule from a moment on, as the scheduler asks for them."""
    trigger, before, now = Cron(RunSchedule(cron=cron, timezone=zone)), None, begin
    while True:
        before = now = trigger.get_next_fire_time(before, now)
        yield before


def minutes(cron: str, zone: str, begin: datetime, end: datetime) -> list[int]:
    found = takewhile(lambda at: at < end, runs(cron, zone, begin))
    return [int(at.timestamp()) // 60 for at in found]


@pytest.mark.parametrize("cron", DAILY)
def test_a_daily_cron_is_due_on_every_day_of_four_years(years, cron):
    assert minutes(cron, years.zone, BEGIN, END) == years.due(cron).tolist()


@pytest.mark.parametrize("cron", FREQUENT)
def test_a_frequent_cron_is_due_around_every_change(years, cron):
    changes, due = years.instants[years.changes], years.due(cron)
    assert len(changes) == (0 if years.zone == "Asia/Kolkata" else 8)
    for middle in [*changes.tolist(), int(years.instants[500_000])]:
        low, high = middle - 600, middle + 1500
        around = [datetime.fromtimestamp(60 * minute, UTC) for minute in (low, high)]
        expected = due[(due >= low) & (due < high)].tolist()
        assert minutes(cron, years.zone, *around) == expected


@pytest.mark.parametrize(
    ("cron", "zone", "skipped"),
    [
        ("0 0 * * *", "Europe/Berlin", datetime(2025, 3, 30)),
        ("5 0 * * *", "Europe/Berlin", datetime(2025, 3, 30, 0, 5)),
        ("0 0 * * mon", "Europe/Berlin", datetime(2025, 3, 31)),
        ("30 0 * * *", "America/New_York", datetime(2025, 3, 9, 0, 30)),
    ],
)
def test_no_midnight_is_skipped(cron, zone, skipped):
    begin = skipped.replace(tzinfo=ZoneInfo(zone)) - timedelta(days=3)
    found = [
        at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        for at in islice(runs(cron, zone, begin), 5)
    ]
    assert skipped in found


@pytest.mark.parametrize(
    ("cron", "begin", "expected"),
    [
        ("30 2 * * *", datetime(2026, 3, 28, 12), ["29 03:00+0200", "30 02:30+0200"]),
        ("30 2 * * *", datetime(2026, 10, 24, 12), ["25 02:30+0200", "26 02:30+0100"]),
        ("30 * * * *", datetime(2026, 10, 24, 23, 45), ["25 02:30+0200", "25 02:30+0100"]),
        ("30 * * * *", datetime(2026, 3, 29, 0, 0), ["29 01:30+0100", "29 03:30+0200"]),
    ],
)
def test_times_that_clocks_leave_out_and_show_twice(cron, begin, expected):
    found = islice(runs(cron, "Europe/Berlin", begin.replace(tzinfo=UTC)), 2)
    local = [at.astimezone(ZoneInfo("Europe/Berlin")) for at in found]
    assert [f"{at:%d %H:%M%z}" for at in local] == expected


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 0 * * 0", ["Sun 04", "Sun 11"]),
        ("0 0 * * 7", ["Sun 04", "Sun 11"]),
        ("0 0 * * 1-5", ["Thu 01", "Fri 02", "Mon 05"]),
        ("0 0 * * sat,sun", ["Sat 03", "Sun 04", "Sat 10"]),
        ("0 0 13 * *", ["Tue 13", "Fri 13", "Fri 13"]),
        ("0 0 13 * fri", ["Fri 02", "Fri 09", "Tue 13", "Fri 16"]),
    ],
)
def test_days_are_those_of_cron(cron, expected):
    found = islice(runs(cron, "UTC", datetime(2026, 1, 1, tzinfo=UTC)), len(expected))
    assert [f"{at:%a %d}" for at in found] == expected


def test_the_first_time_may_be_now_and_the_next_is_later():
    trigger = Cron(RunSchedule(cron="30 2 * * *"))
    now = datetime(2026, 1, 1, 2, 30, tzinfo=UTC)
    assert trigger.get_next_fire_time(None, now) == now
    assert trigger.get_next_fire_time(now, now) == now + timedelta(days=1)
    assert trigger.get_next_fire_time(None, now + timedelta.resolution) == now + timedelta(days=1)


def test_missed_runs_are_counted_over_a_change():
    """APScheduler asks for what came due since; a run of 30 March is among it."""
    trigger, berlin = (
        Cron(RunSchedule(cron="0 0 * * *", timezone="Europe/Berlin")),
        ZoneInfo("Europe/Berlin"),
    )
    job = Job.__new__(Job)
    job.trigger, job.next_run_time = trigger, datetime(2025, 3, 28, tzinfo=berlin)
    missed = job._get_run_times(datetime(2025, 4, 1, 12, tzinfo=berlin))
    assert [at.astimezone(berlin).day for at in missed] == [28, 29, 30, 31, 1]
