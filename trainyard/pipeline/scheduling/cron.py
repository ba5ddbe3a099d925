"""When a cron is due, in a time zone whose clocks change.

APScheduler's CronTrigger adds wall-clock differences to instants, and so loses the midnight that
follows a change of clocks: Berlin's 30 March 2025, and a whole week of a weekly cron.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import product
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger

from trainyard.recipe_schema import RunSchedule
from trainyard.recipe_schema.schedule import FIELDS

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


class Cron(BaseTrigger):  # type: ignore[misc]  # APScheduler is not typed
    """A schedule as APScheduler asks for it. The rules where clocks change are those of cron(8).

    A cron that names its hours is due once a day for each of its times: at a time that clocks show
    twice, the first time; at a time that they leave out, at the first minute after it. A cron
    whose hour is `*` is due whenever clocks show one of its minutes.
    """

    def __init__(self, schedule: RunSchedule):
        """Reads the fields.

        Args:
            schedule: When, in which time zone.
        """
        self.schedule = schedule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Returns the first instant after the previous one; without one, the first from `now` on.

        Args:
            previous_fire_time: When it was due last.
            now: The present.

        Returns:
            The instant, in UTC.
        """
        moment = previous_fire_time or now - timedelta.resolution
        return self._after(moment.astimezone(UTC))

    def __getstate__(self) -> dict[str, str]:
        """What the schedule on disk keeps: the words, so that a later version reads them anew."""
        return {"cron": self.schedule.cron, "timezone": self.schedule.timezone}

    def __setstate__(self, state: dict[str, str]) -> None:
        """Reads what the schedule on disk kept."""
        self.schedule = RunSchedule(**state)

    def __str__(self) -> str:
        """The cron and its time zone."""
        return f"{self.schedule.cron} {self.schedule.timezone}"

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.schedule.timezone)

    @cached_property
    def _numbers(self) -> list[tuple[int, ...]]:
        return [
            field.numbers(text)
            for field, text in zip(FIELDS, self.schedule.cron.split(), strict=True)
        ]

    @cached_property
    def _times(self) -> list[time]:
        minutes, hours, *_ = self._numbers
        return [time(hour, minute) for hour, minute in product(hours, minutes)]

    @cached_property
    def _is_hourly(self) -> bool:
        return len(self._numbers[1]) == 24

    def _after(self, moment: datetime) -> datetime:
        """The first instant after another; where clocks show a time twice, both are candidates."""
        wall = moment.astimezone(self._zone)
        if not self._is_hourly:
            return self._first(moment, wall.replace(tzinfo=None), fold=0)
        repeats_after = wall.replace(fold=1).astimezone(UTC) - moment
        start = wall.replace(tzinfo=None) - repeats_after
        return min(self._first(moment, start, fold) for fold in (0, 1))

    def _first(self, moment: datetime, start: datetime, fold: int) -> datetime:
        """Never reversed in time: later wall times of one fold are later instants, or the same."""
        instants = (self._instant(wall, fold) for wall in self._wall_times(start))
        return next(instant for instant in instants if instant and instant > moment)

    def _wall_times(self, start: datetime) -> Iterator[datetime]:
        """What clocks would show each time it is due if they never changed, without end."""
        day, first = start.date(), bisect_left(self._times, start.time())
        while True:
            if self._is_on(day):
                yield from (datetime.combine(day, each) for each in self._times[first:])
            day, first = day + _DAY, 0

    def _is_on(self, day: date) -> bool:
        _, _, days, months, weekdays = self._numbers
        if day.month not in months:
            return False
        is_day = day.day in days
        is_weekday = day.isoweekday() in weekdays or day.isoweekday() % 7 in weekdays
        *_, day_text, _month, weekday_text = self.schedule.cron.split()
        # In cron a field that begins with `*`, such as `*/2`, restricts, but is no alternative.
        either = not (day_text.startswith("*") or weekday_text.startswith("*"))
        return is_day or is_weekday if either else is_day and is_weekday

    def _instant(self, wall: datetime, fold: int) -> datetime | None:
        """When clocks show a time; None if they never do and the cron goes by what they show."""
        instant = wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)
        if instant.astimezone(self._zone).replace(tzinfo=None) == wall:
            return instant
        return None if self._is_hourly else self._end_of_gap(wall)

    def _end_of_gap(self, wall: datetime) -> datetime:
        """The first minute after the clocks left a time out."""
        local = wall.replace(tzinfo=self._zone)
        after = local.replace(fold=1).utcoffset()
        instant = local.replace(fold=1).astimezone(UTC)
        while instant.astimezone(self._zone).utcoffset() != after:
            instant += _MINUTE
        return instant
