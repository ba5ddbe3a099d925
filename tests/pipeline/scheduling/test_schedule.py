from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from trainyard.errors import RecipeError
from trainyard.pipeline.scheduling import asked, owed, schedule, tables
from trainyard.recipe_schema import Recipe, RunSchedule

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday


def times(cron: str, timezone: str = "UTC", begin: datetime = MIDNIGHT):
    """The times of a schedule from a moment on."""
    trigger, before, now = schedule.trigger(RunSchedule(cron=cron, timezone=timezone)), None, begin
    while (before := trigger.get_next_fire_time(before, now)) is not None:
        yield before.astimezone(UTC)
        now = before


def days(cron: str, count: int) -> list[str]:
    return [f"{at:%a %d}" for at in islice(times(cron), count)]


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
    assert days(cron, len(expected)) == expected


def test_hours_are_of_the_time_zone():
    first = next(times("30 2 * * *", "Europe/Berlin"))
    assert first == datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
    summer = next(times("30 2 * * *", "Europe/Berlin", datetime(2026, 7, 1, tzinfo=UTC)))
    assert summer == datetime(2026, 7, 1, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(("month", "day", "expected"), [(3, 28, 1), (10, 24, 2)])
def test_when_clocks_change_a_day_has_the_hours_that_it_has(month, day, expected):
    """Berlin leaves out the hour after 2 on 29 March, and has it twice on 25 October."""
    noon = datetime(2026, month, day, 12, tzinfo=UTC)
    found = list(islice(times("30 2 * * *", "Europe/Berlin", noon), 3))
    assert sum(at < noon + timedelta(days=1) for at in found) == expected


@pytest.fixture
def recipe():
    return Recipe.model_validate(
        {
            "name": "wine",
            "data": {"path": "w.csv"},
            "label": "y",
            "task": "binary",
            "schedule": {"cron": "0 3 * * *", "timezone": "Asia/Tokyo"},
        }
    )


def test_the_schedule_outlives_the_process_that_made_it(home, recipe):
    assert schedule.entries() == []
    added = schedule.add("wine", Path("wine.yaml"), recipe.schedule)
    assert schedule.entries() == [added]
    assert (added.cron, added.timezone) == ("0 3 * * *", "Asia/Tokyo")
    assert added.file == Path("wine.yaml").absolute()
    assert added.next.astimezone(ZoneInfo("Asia/Tokyo")).hour == 3
    assert tables.line(added).endswith("03:00 Asia/Tokyo  (0 3 * * *)")
    schedule.add("wine", Path("wine.yaml"), RunSchedule(cron="0 4 * * *"))
    assert [entry.cron for entry in schedule.entries()] == ["0 4 * * *"]


def test_paused_resumed_removed(home, recipe):
    schedule.add("wine", Path("wine.yaml"), recipe.schedule)
    assert schedule.pause("wine").next is None
    assert tables.line(schedule.entries()[0]) == "wine: paused  (0 3 * * *)"
    assert schedule.resume("wine").next > datetime.now(UTC)
    owed.note("wine", datetime.now(UTC))
    schedule.remove("wine")
    assert schedule.entries() == []
    assert owed.since("wine") is None


@pytest.mark.parametrize("change", [schedule.pause, schedule.resume, schedule.remove])
def test_what_is_not_on_the_schedule(home, recipe, change):
    with pytest.raises(RecipeError, match="'wine' is not on the schedule") as caught:
        change("wine")
    assert "trainyard schedule RECIPE" in caught.value.hint
    schedule.add("wines", Path("wine.yaml"), recipe.schedule)
    with pytest.raises(RecipeError) as caught:
        change("wine")
    assert caught.value.hint == "did you mean 'wines'?"


def test_the_command_comes_before_the_recipe(recipe):
    assert asked.wish(recipe, None, None) == recipe.schedule
    other = asked.wish(recipe, "5 * * * *", None)
    assert (other.cron, other.timezone) == ("5 * * * *", "Asia/Tokyo")
    assert asked.wish(recipe, None, "UTC").timezone == "UTC"


def test_a_wrong_wish_names_the_option(recipe):
    with pytest.raises(RecipeError, match=r"--cron: the hour is '25'; expected: 0 to 23"):
        asked.wish(recipe, "0 25 * * *", None)
    with pytest.raises(RecipeError, match="--timezone: there is no such time zone"):
        asked.wish(recipe, None, "Europe/Berlim")
    silent = recipe.model_copy(update={"schedule": None})
    with pytest.raises(RecipeError, match="does not say when"):
        asked.wish(silent, None, None)


def test_what_is_owed_is_kept_until_it_is_settled(home):
    assert owed.since("wine") is None
    due = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    owed.note("wine", due)
    assert owed.since("wine") == due
    owed.settle("wine")
    owed.settle("wine")
    assert owed.since("wine") is None
