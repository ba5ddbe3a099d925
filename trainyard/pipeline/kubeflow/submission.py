"""Runs on Kubeflow: submitted, waited for, looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import kfp_server_api as kfp

from trainyard import progress
from trainyard.errors import EnvironmentProblem, TrainyardError
from trainyard.pipeline.kubeflow import compiled, images, reach
from trainyard.pipeline.kubeflow.api import Api
from trainyard.pipeline.kubeflow.compiled import Compiled

_ENDED = frozenset({"SUCCEEDED", "SKIPPED", "FAILED", "CANCELED"})
_MARKS = {"SUCCEEDED": "✓", "SKIPPED": "=", "FAILED": "✗", "CANCELED": "✗"}
_STAMP = "%Y%m%d-%H%M%S"

Say = Callable[[str], None]


def prepared(file: Path, given: Mapping[str, str], say: Say) -> tuple[Compiled, dict[str, Any]]:
    """Finds what is wrong with a pipeline before anything is submitted.

    Args:
        file: What `compile` wrote.
        given: Values for its parameters.
        say: Told what could not be checked.

    Returns:
        The pipeline, and what runs and schedules of it have in common.

    Raises:
        RecipeError: The file, a parameter or the image is wrong.
    """
    pipeline = compiled.read(file)
    config = kfp.V2beta1RuntimeConfig(parameters=pipeline.arguments(given))
    for image in sorted({task.image for task in pipeline.tasks}):
        if unknown := images.check(image):
            say(unknown)
    return pipeline, {
        "pipeline_spec": _spec(pipeline),
        "runtime_config": config,
        "service_account": pipeline.luggage.parsed().kubeflow.service_account,
    }


def _spec(pipeline: Compiled) -> Mapping[str, Any]:
    """What kfp's own client sends: the one document, or both under their names."""
    first, *others = pipeline.documents
    return {"pipeline_spec": first, "platform_spec": others[0]} if others else first


def submit(
    file: Path, given: Mapping[str, str], api: Api, say: Say, name: str | None = None
) -> str:
    """Starts a run.

    Args:
        file: What `compile` wrote.
        given: Values for its parameters.
        api: Where.
        say: Told the run's address.
        name: The run's; if None, the pipeline's and the time.

    Returns:
        The run's id.

    Raises:
        TrainyardError: It was not started.
    """
    pipeline, body = prepared(file, given, say)
    shown = reach.name(name or f"{pipeline.name}-{datetime.now():{_STAMP}}", "--name")
    api.check()
    experiment = api.experiment(pipeline.name)
    run = api.create_run(kfp.V2beta1Run(display_name=shown, experiment_id=experiment, **body))
    say(f"{shown}: {address(api, run.run_id)}")
    return str(run.run_id)


def address(api: Api, run_id: str) -> str:
    """Where a browser shows a run.

    Args:
        api: Where it runs.
        run_id: Which.
    """
    return f"{api.address}/#/runs/details/{run_id}"


def wait(api: Api, run_id: str, say: Say, every: float = 10.0, at_most: float = 86400.0) -> None:
    """Looks at a run until it ends.

    Args:
        api: Where it runs.
        run_id: Which.
        say: Told of every stage that ends.
        every: Seconds between looks.
        at_most: Seconds to wait.

    Raises:
        TrainyardError: It failed, or took longer.
    """
    until, told = time.monotonic() + at_most, set[str]()
    while True:
        run = api.run(run_id)
        for task_id, line in _ended(run):
            if task_id not in told:
                say(line)
                told.add(task_id)
        if run.state in _ENDED:
            break
        progress.report(f"{run.state or 'PENDING'}: {', '.join(_running(run)) or 'no stage yet'}")
        if time.monotonic() > until:
            raise EnvironmentProblem(
                f"the run has not ended after {at_most:g} seconds; it goes on",
                where=address(api, run_id),
                hint=f"trainyard kubeflow status {run_id}",
            )
        time.sleep(every)
    if run.state != "SUCCEEDED":
        raise TrainyardError(
            f"the run {run.state.lower()}{_why(run)}",
            where=address(api, run_id),
            hint="the log of the stage's pod says more",
        )
    say(f"{run.display_name}: succeeded; the log of its last stage says whether it pushed")


def _tasks(run: kfp.V2beta1Run) -> Iterator[Any]:
    """The stages' tasks: the others are Kubeflow's own, which come before each."""
    for task in (run.run_details.task_details if run.run_details else None) or ():
        if not (task.display_name or "").endswith("-driver") and task.display_name != "root":
            yield task


def _ended(run: kfp.V2beta1Run) -> Iterator[tuple[str, str]]:
    for task in _tasks(run):
        if task.state in _ENDED:
            yield task.task_id, f"{_MARKS[task.state]} {task.display_name:<17} {_seconds(task)}"


def _running(run: kfp.V2beta1Run) -> list[str]:
    return [task.display_name for task in _tasks(run) if task.state == "RUNNING"]


def _seconds(task: Any) -> str:
    if task.start_time is None or task.end_time is None:
        return ""
    return f"{(task.end_time - task.start_time).total_seconds():6.1f} s"


def _why(run: kfp.V2beta1Run) -> str:
    failed = [task for task in _tasks(run) if task.state == "FAILED"]
    names = f" in {', '.join(task.display_name for task in failed)}" if failed else ""
    errors = [each.error for each in (*failed, run) if each.error and each.error.message]
    return f"{names}: {errors[0].message}" if errors else names


def status(api: Api, run_id: str | None) -> list[str]:
    """Says how runs are.

    Args:
        api: Where.
        run_id: One run, stage by stage; if None, the newest runs.
    """
    api.check()
    if run_id is None:
        lines = [
            f"{run.run_id}  {run.display_name:<40} {run.state or 'PENDING':<10} "
            f"{run.created_at.isoformat(' ', 'minutes') if run.created_at else ''}"
            for run in api.runs(20)
        ]
        return lines or ["there are no runs"]
    run = api.run(run_id)
    lines = [f"{run.display_name}: {run.state or 'PENDING'}{_why(run)}", address(api, run_id)]
    return lines + [
        f"{task.display_name:<17} {task.state:<10} {_seconds(task)}" for task in _tasks(run)
    ]
