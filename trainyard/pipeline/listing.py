"""Texts about recipes and runs, from their files alone: no TensorFlow, no TFX."""

from __future__ import annotations

from pathlib import Path

from trainyard.errors import RecipeError
from trainyard.pipeline import records, workspace
from trainyard.pipeline.records import RunRecord


def recipes(folder: Path) -> str:
    """One line a recipe: its file and the first line of its header comment.

    Raises:
        RecipeError: The folder has none.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise RecipeError(f"there are no recipes in {folder}", hint="trainyard new writes one")
    width = max(len(str(file)) for file in files)
    return "\n".join(f"{file!s:<{width}}  {_headline(file)}" for file in files)


def _headline(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    comments = (line for line in lines if line.startswith("#") and "$schema" not in line)
    comment = next(comments, "")
    return comment.lstrip("# ").strip()


def runs(recipe: str | None) -> str:
    """One line a run, newest first: id, recipe, state, time, version or error."""
    lines = [_run_line(run) for run in records.all_runs(recipe)]
    return "\n".join(lines) or f"there are no runs in {workspace.home()}"


def _run_line(run: RunRecord) -> str:
    ending = f"version {run.verdict.version}" if run.state == "pushed" else run.error.split("\n")[0]
    done = [stage.name for stage in run.stages if stage.state == "running"]
    note = f"in {done[0]}" if run.state == "running" and done else ending
    return f"{run.id}  {run.recipe:<18} {run.shown_state:<12} {run.seconds:7.1f} s  {note}"


def why(run: RunRecord) -> str:
    """The verdict in sentences; of a run without one, what became of it."""
    if run.verdict.sentences:
        return "\n".join(run.verdict.sentences)
    if run.alive:
        return f"run {run.id} is not finished yet; trainyard runs shows how far it is"
    stage = next((stage.name for stage in run.stages if stage.state == "failed"), "")
    state, place = run.shown_state, f" in {stage}" if stage else ""
    lines = [f"Not pushed: run {run.id} {state}{place}.", run.error]
    if state in ("interrupted", "killed"):
        lines.append(f"resume it: trainyard resume {run.id}")
    return "\n".join(line for line in lines if line)


def stages(run: RunRecord) -> str:
    """One line a stage of a run that had nothing to do."""
    lines = [f"= {stage.name:<17} {stage.seconds:6.1f} s  {stage.reason}" for stage in run.stages]
    return "\n".join([f"{run.recipe}  run {run.id}", *lines])


def report(run: RunRecord) -> str:
    """The path of a run's report; of a run that took all from another, it is written now.

    Raises:
        RecipeError: The run has not ended.
    """
    page = run.folder / "report.html"
    if run.alive:
        raise RecipeError(f"run {run.id} has no report yet", hint="it is written when a run ends")
    if not page.exists():
        _write_report(run)
    return str(page)


def _write_report(run: RunRecord) -> None:
    from trainyard.pipeline import quiet

    quiet.before_imports()
    from trainyard.pipeline.console import output_to
    from trainyard.pipeline.recipe import resolved_recipe

    with output_to(run.folder / "report.log"):
        from trainyard.pipeline.report.page import write_report

        write_report(run, resolved_recipe(run.recipe_json))
