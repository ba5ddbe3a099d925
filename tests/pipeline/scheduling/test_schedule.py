from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from trainyard.errors import RecipeError
from trainyard.pipeline.scheduling import asked, job, owed, schedule, tables
from trainyard.recipe_schema import Recipe, RunSchedule


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


def test_an_entry_of_an_earlier_version_no_longer_loses_a_day(home):
    """It has APScheduler's trigger, and a next time that skipped the nearest one."""
    hourly, late = CronTrigger(minute=0, timezone="Asia/Tokyo"), datetime.now(UTC) + timedelta(2)
    with schedule.opened() as opened:
        for name in ("old", "paused"):
            opened.add_job(
                job.REF, hourly, args=[name, "w.yaml"], id=name, name="0 * * * * Asia/Tokyo"
            )
        opened.modify_job("old", next_run_time=late)
        opened.pause_job("paused")
    old, paused = schedule.entries()
    assert old.next - datetime.now(UTC) <= timedelta(hours=1)
    assert paused.next is None
    with schedule.opened() as opened:
        assert {str(each.trigger) for each in opened.get_jobs()} == {"0 * * * * Asia/Tokyo"}


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
