"""Which run `trainyard resume` takes up, and which it refuses."""

from __future__ import annotations

from trainyard.errors import BusyError, RecipeError
from trainyard.pipeline import records
from trainyard.pipeline.records import ENDED, RunRecord


def resumable(name: str | None) -> RunRecord:
    """Finds a run that failed, was interrupted or was killed.

    Args:
        name: A run's id, or a recipe's name for its newest run; the newest run of all if None.

    Returns:
        Its record.

    Raises:
        RecipeError: There is no such run, it has ended, or another run has resumed it.
        BusyError: Its process still runs.
    """
    run = records.find_run(name)
    again = f"trainyard run {run.recipe_file}"
    if run.state in ENDED:
        raise RecipeError(
            f"run {run.id} of {run.recipe} has ended ({run.state}): there is nothing to resume",
            expected="a run that failed, was interrupted or was killed",
            hint=f"train again: {again} (stages that have not changed are kept)",
        )
    if run.alive:
        raise BusyError(
            f"run {run.id} of {run.recipe} has not stopped: process {run.pid} runs it",
            hint="wait for it; trainyard runs shows how far it is",
        )
    if run.known_as:
        raise RecipeError(
            f"run {run.id} of {run.recipe} is run {run.known_as} of Kubeflow",
            hint="retry it there; or run the recipe here: trainyard run RECIPE",
        )
    for later in records.all_runs(run.recipe):
        if later.resumed_from == run.id:
            ended = later.state in ENDED
            raise RecipeError(
                f"run {run.id} of {run.recipe} was resumed by run {later.id} ({later.shown_state})",
                hint=f"train again: {again}" if ended else f"trainyard resume {later.id}",
            )
    return run
