"""When a recipe runs by itself, and what makes it train again."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator

from trainyard.recipe_schema.base import Section
from trainyard.wording import counted

_LONGEST_MONTH = dict.fromkeys(range(1, 13), 31) | {2: 29} | dict.fromkeys((4, 6, 9, 11), 30)


class CronField(NamedTuple):
    """One of the five fields: its bounds, and the names that its numbers have."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def numbers(self, text: str) -> tuple[int, ...]:
        """Writes a field out.

        Args:
            text: `*`, `5`, `mon`, `1-5`, `*/15`, `0-30/10`, or several with commas.

        Raises:
            ValueError: It is none of these, or out of bounds.
        """
        return tuple(sorted({number for part in text.split(",") for number in self._part(part)}))

    def _part(self, text: str) -> range:
        span, slash, step = text.partition("/")
        first, dash, last = ("*", "", "") if span == "*" else span.partition("-")
        low = self.low if first == "*" else self._number(first, text)
        high = self.high if first == "*" else self._number(last, text) if dash else low
        if slash and (not step.isdecimal() or int(step) < 1 or (first != "*" and not dash)):
            raise self._wrong(text, "a step follows `*` or a range, such as */15 or 0-30/10")
        if low > high:
            raise self._wrong(text, "a range goes up")
        return range(low, high + 1, int(step) if slash else 1)

    def _number(self, word: str, text: str) -> int:
        if word.lower() in self.names:
            return self.names.index(word.lower()) + self.low
        if not word.isdecimal() or not self.low <= int(word) <= self.high:
            names = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
            raise self._wrong(text, f"{self.low} to {self.high}{names}")
        return int(word)

    def _wrong(self, text: str, expected: str) -> ValueError:
        return ValueError(f"the {self.name} is {text!r}; expected: {expected}")


_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FIELDS = (
    CronField("minute", 0, 59),
    CronField("hour", 0, 23),
    CronField("day of the month", 1, 31),
    CronField("month", 1, 12, _MONTHS),
    CronField("day of the week", 0, 7, _DAYS),
)


class RunSchedule(Section):
    """When a recipe runs by itself, on this machine (`trainyard schedule`) or on Kubeflow.

    One run at a time; of several runs that were missed one is made up for.
    """

    cron: str = Field(
        description="Minute, hour, day of the month, month, day of the week (0 or 7: Sunday), such "
        "as `30 2 * * mon-fri`. If neither day is `*`, either will do, as in any cron."
    )
    timezone: str = Field("UTC", description="An IANA name, such as Europe/Berlin.")
    grace: int | None = Field(
        None,
        ge=1,
        description="Minutes: a missed run is not made up for if it is more overdue. If not given, "
        "it always is.",
    )

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        parts = value.split()
        if len(parts) != len(FIELDS):
            names = ", ".join(field.name for field in FIELDS)
            raise ValueError(f"{counted(len(parts), 'field')}; expected 5: {names}")
        *_, days, months, _weekdays = (
            field.numbers(part) for field, part in zip(FIELDS, parts, strict=True)
        )
        if parts[4] == "*" and min(days) > max(_LONGEST_MONTH[month] for month in months):
            raise ValueError(f"no month of `{parts[3]}` has a day {min(days)}")
        return " ".join(parts)

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            near = get_close_matches(value, available_timezones(), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "one is Europe/Berlin"
            raise ValueError(f"there is no such time zone; {hint}") from None
        return value

    @property
    def plain(self) -> str:
        """The cron in words that every cron reads alike: numbers, `*`, days of the week by name."""
        return " ".join(self._plain_fields())

    def _plain_fields(self) -> Iterator[str]:
        for field, text in zip(FIELDS, self.cron.split(), strict=True):
            numbers = field.numbers(text)
            is_weekday = field is FIELDS[-1]
            words = [_DAYS[number % 7] if is_weekday else str(number) for number in numbers]
            yield "*" if text == "*" else ",".join(dict.fromkeys(words))


Trigger = Literal["schedule", "new_data", "drift", "quality"]


class Retrain(Section):
    """What makes a recipe train again, and how: `trainyard retrain` and the schedule.

    The new model takes the place of the one in service only if the Evaluator finds it good
    enough, compared with it.
    """

    when: tuple[Trigger, ...] = Field(
        ("new_data", "drift", "quality"),
        min_length=1,
        description="schedule: each time the schedule comes round. new_data: files, such as a new "
        "span, that the last run has not read. drift, quality: an alarm of `trainyard monitor`.",
    )
    warm_start: bool = Field(
        False, description="Train on from the weights of the model in service, not from scratch."
    )
