"""`trainyard kubeflow rehearse`: every container's command as a process of this machine.

Nothing but the compiled file is read. Two arguments of each command are others than
in a pod: the shared folder is one of this machine, and the metadata store a sqlite
file in it, which processes of one machine can share.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.pipeline import records
from trainyard.pipeline.console import RunConsole
from trainyard.pipeline.kubeflow import compiled, node
from trainyard.pipeline.kubeflow.compiled import Task
from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.workspace import home

_ERROR = "error: "


def rehearse(
    file: Path, given: Mapping[str, str], changes: Mapping[str, str], root: Path | None = None
) -> RunRecord:
    """Runs a compiled pipeline here.

    Args:
        file: What `compile` wrote.
        given: Values for parameters of the pipeline.
        changes: Values for keys of the recipe, such as paths that only pods have.
        root: The folder in place of the one that pods share.

    Returns:
        The run's record, which is in that folder.

    Raises:
        TrainyardError: What stopped a stage.
    """
    pipeline = compiled.read(file)
    arguments = pipeline.arguments(given)
    luggage = pipeline.luggage
    folder = (root or home() / "rehearsals").absolute()
    replaced = {
        "--root": str(folder),
        "--metadata": f"sqlite:{folder / luggage.name / 'metadata.sqlite'}",
    }
    run = str(uuid.uuid4())
    logs = folder / luggage.name / "stages" / run
    logs.mkdir(parents=True)
    console = RunConsole()
    console.say(f"[bold]{pipeline.name}[/]  rehearsal {run} in {folder}")
    more = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    for task in pipeline.tasks:
        words = compiled.command(task, compiled.inputs(task, run, arguments))
        _launch(task, [*_replaced(words, replaced), *more], logs / f"{task.shown}.log", console)
    node.at_home(folder)
    return next(each for each in records.all_runs(luggage.name) if each.known_as == run)


def _replaced(words: list[str], values: Mapping[str, str]) -> list[str]:
    """Gives flags other values."""
    before = ["", *words[:-1]]
    return [values.get(flag, word) for flag, word in zip(before, words, strict=True)]


def _launch(task: Task, words: list[str], log: Path, console: RunConsole) -> None:
    stage = StageRecord(name=task.shown, state="failed")
    started = time.monotonic()
    with console.stage(stage):
        with log.open("w", encoding="utf-8") as output:
            ended = subprocess.run(
                words, env=_environment(task), stdout=output, stderr=output, check=False
            )
        stage.seconds = time.monotonic() - started
        if ended.returncode:
            raise _failure(task, ended.returncode, log)
        stage.state = "done"
        stage.reason = _last_words(task, log)


def _environment(task: Task) -> dict[str, str]:
    """This process's own, and the container's; `python` is the one that runs here."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {"PATH": path} | dict(task.env)


def _last_words(task: Task, log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line for line in lines if line.startswith(f"{task.shown}: ")]
    return said[-1].rpartition(": ")[2] if said else ""


def _failure(task: Task, code: int, log: Path) -> TrainyardError:
    """Says what the process said; its exit code tells which kind of error it was."""
    text = log.read_text(encoding="utf-8", errors="replace")
    _, found, said = f"\n{text}".rpartition(f"\n{_ERROR}")
    return _kind(code)(
        said.strip() if found else f"the command ended with exit code {code}",
        where=task.shown,
        hint=f"the whole story is in {log}",
    )


def _kind(code: int) -> type[TrainyardError]:
    kinds = TrainyardError.__subclasses__()
    return next((kind for kind in kinds if kind.exit_code == code), TrainyardError)
