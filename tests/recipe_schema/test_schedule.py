import pytest
from pydantic import ValidationError

from trainyard.recipe_schema import Retrain, RunSchedule


@pytest.mark.parametrize(
    ("cron", "plain"),
    [
        ("0 3 * * *", "0 3 * * *"),
        ("*/20 0-6/3 1,15 jan-mar *", "0,20,40 0,3,6 1,15 1,2,3 *"),
        ("30  2 * * 1-5", "30 2 * * mon,tue,wed,thu,fri"),
        ("0 0 * * 0,6,7", "0 0 * * sun,sat"),
        ("0 0 * * Fri-7", "0 0 * * fri,sat,sun"),
        ("0 0 29 2 *", "0 0 29 2 *"),
    ],
)
def test_cron_is_written_out(cron, plain):
    assert RunSchedule(cron=cron).plain == plain


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("0 3 * *", "4 fields; expected 5: minute, hour, day of the month, month, day of the week"),
        ("60 3 * * *", "the minute is '60'; expected: 0 to 59"),
        ("0 24 * * *", "the hour is '24'; expected: 0 to 23"),
        ("0 0 0 * *", "the day of the month is '0'; expected: 1 to 31"),
        ("0 0 * 13 *", "the month is '13'; expected: 1 to 12, or jan to dec"),
        ("0 0 * * 8", "the day of the week is '8'; expected: 0 to 7, or sun to sat"),
        ("0 0 * * monday", "the day of the week is 'monday'"),
        ("5/15 * * * *", "the minute is '5/15'; expected: a step follows"),
        ("*/0 * * * *", "the minute is '*/0'"),
        ("0 9-8 * * *", "the hour is '9-8'; expected: a range goes up"),
        ("1,,2 * * * *", "the minute is ''"),
        ("0 0 30,31 2 *", "no month of `2` has a day 30"),
    ],
)
def test_wrong_cron_names_the_field(cron, message):
    with pytest.raises(ValidationError) as caught:
        RunSchedule(cron=cron)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["Europe/Berlim", "", "../etc/passwd", "Europe"])
def test_unknown_timezone(name):
    with pytest.raises(ValidationError, match="there is no such time zone"):
        RunSchedule(cron="0 3 * * *", timezone=name)


def test_nearest_timezone_is_named():
    with pytest.raises(ValidationError, match="did you mean 'Europe/Berlin'"):
        RunSchedule(cron="0 3 * * *", timezone="Europe/Berlim")


def test_retrain_needs_a_trigger():
    with pytest.raises(ValidationError):
        Retrain(when=())
