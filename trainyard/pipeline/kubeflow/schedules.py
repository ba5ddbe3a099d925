"""Recurring runs: a recipe's `schedule`, kept by Kubeflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kfp_server_api as kfp
from pydantic import ValidationError

from trainyard.errors import RecipeError, nearest
from trainyard.pipeline.kubeflow import reach
from trainyard.pipeline.kubeflow.api import Api
from trainyard.pipeline.kubeflow.submission import Say, prepared
from trainyard.recipe_schema import RunSchedule


def create(
    file: Path, given: Mapping[str, str], api: Api, say: Say, cron: str | None = None
) -> None:
    """Has Kubeflow run a pipeline again and again: one run at a time, none made up for.

    Args:
        file: What `compile` wrote.
        given: Values for its parameters.
        api: Where.
        say: Told what was made.
        cron: Five fields in place of those of the recipe's `schedule`.

    Raises:
        RecipeError: There is no schedule, it is wrong, or there is one already.
    """
    pipeline, body = prepared(file, given, say)
    schedule = _given(cron) if cron else pipeline.luggage.parsed().schedule
    if schedule is None:
        raise RecipeError(
            "the recipe has no schedule", hint="give it one (`schedule: {cron: ...}`), or --cron"
        )
    fields = six_fields(schedule)
    name = reach.name(pipeline.name, "name")
    api.check()
    if api.schedules(name):
        raise RecipeError(
            f"there is a schedule {name!r} already",
            where=api.address,
            hint=f"trainyard kubeflow schedule delete {name}",
        )
    made = api.create_schedule(
        kfp.V2beta1RecurringRun(
            display_name=name,
            experiment_id=api.experiment(pipeline.name),
            namespace=api.access.namespace or None,
            trigger=kfp.V2beta1Trigger(cron_schedule=kfp.V2beta1CronSchedule(cron=fields)),
            mode=kfp.RecurringRunMode.ENABLE,
            max_concurrency="1",
            no_catchup=True,
            **body,
        )
    )
    say(f"{name}: {fields} (UTC), id {made.recurring_run_id}")


def _given(cron: str) -> RunSchedule:
    try:
        return RunSchedule(cron=cron)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise RecipeError(f"--cron: {message}", received=repr(cron)) from None


def six_fields(schedule: RunSchedule) -> str:
    """Writes a schedule as Kubeflow wants it: seconds first, and in its own time zone.

    Args:
        schedule: The recipe's.

    Raises:
        RecipeError: It is in a time zone: Kubeflow has one for all, usually UTC.
    """
    if schedule.timezone != "UTC":
        raise RecipeError(
            "Kubeflow has one time zone for all schedules",
            where="schedule.timezone",
            expected="UTC",
            received=schedule.timezone,
            hint="give the hours in UTC, with --cron or in the recipe",
        )
    return f"0 {schedule.plain}"


def listed(api: Api) -> list[str]:
    """One line a schedule: name, cron, whether it is on, id.

    Args:
        api: Where.
    """
    api.check()
    lines = [
        f"{each.display_name:<40} {_cron(each):<24} {(each.status or each.mode or ''):<10} "
        f"{each.recurring_run_id}"
        for each in api.schedules()
    ]
    return lines or ["there are no schedules"]


def _cron(schedule: Any) -> str:
    trigger = schedule.trigger
    return trigger.cron_schedule.cron if trigger and trigger.cron_schedule else ""


def change(api: Api, name: str, what: str) -> None:
    """Pauses a schedule, lets it go on, or deletes it.

    Args:
        api: Where.
        name: Its name, or that of its recipe, or its id.
        what: `disable`, `enable` or `delete`.

    Raises:
        RecipeError: There is none of that name.
    """
    api.check()
    every = api.schedules()
    wanted = {name, name.replace("_", "-")}
    found = [each for each in every if {each.display_name, each.recurring_run_id} & wanted]
    if not found:
        names = [each.display_name for each in every]
        raise RecipeError(
            f"there is no schedule {name!r}",
            where=api.address,
            hint=nearest(name, names) if names else "there is none at all",
        )
    for each in found:
        api.change_schedule(each.recurring_run_id, what)
