"""A compiled pipeline file, read as Kubeflow's driver and launcher read it.

Both are Go programs; what they do with the parts that our files have is told here,
from their sources (backend/src/v2, driver/resolve.go and component/launcher_v2.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from trainyard.errors import RecipeError, nearest
from trainyard.pipeline.kubeflow.luggage import Luggage

Value = str | int | float | bool

_KINDS: Mapping[str, type] = {"STRING": str, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": float}
_NOT_OURS = (LookupError, TypeError, AttributeError, ValueError, CycleError)
_TASK, _LEFT_OVER = "{{$.pipeline_task_name}}", re.compile(r"\{\{\$.*?\}\}")


@dataclass(frozen=True)
class Task:
    """A container of the pipeline.

    Attributes:
        name: Kubeflow's name for it.
        shown: The one that a person sees: the stage's.
        after: The tasks that it waits for.
        image: What it runs in.
        command: With placeholders.
        env: Its environment variables.
        inputs: Where each input comes from, as the file has it.
    """

    name: str
    shown: str
    after: tuple[str, ...]
    image: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    inputs: Mapping[str, Mapping[str, Any]]

    def option(self, flag: str) -> str:
        """Returns what follows a flag of the command; empty if nothing does."""
        words = [*self.command, flag, ""]
        return words[words.index(flag) + 1]


@dataclass(frozen=True)
class Compiled:
    """A pipeline file.

    Attributes:
        name: The pipeline's.
        documents: The pipeline spec, and the platform spec if there is one.
        parameters: Type and default of each parameter of a run.
        tasks: In an order in which they can run.
    """

    name: str
    documents: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, tuple[type, Value]]
    tasks: Sequence[Task]

    @property
    def luggage(self) -> Luggage:
        """The recipe that the file was compiled from.

        Raises:
            RecipeError: It is not in there: the file is not of Trainyard's.
        """
        return Luggage.unpacked(self.tasks[0].option("--recipe"))

    def arguments(self, given: Mapping[str, str]) -> dict[str, Value]:
        """Gives every parameter of a run its value.

        Args:
            given: Values as one writes them; the others keep their defaults.

        Raises:
            RecipeError: There is no such parameter, or it has another type.
        """
        values = {name: default for name, (_, default) in self.parameters.items()}
        for name, text in given.items():
            if name not in values:
                raise RecipeError(
                    f"the pipeline has no parameter {name!r}", hint=nearest(name, values)
                )
            kind = self.parameters[name][0]
            try:
                values[name] = kind(text)
            except ValueError:
                raise RecipeError(
                    f"the parameter {name!r} has another type",
                    expected={int: "a whole number", float: "a number"}[kind],
                    received=repr(text),
                ) from None
        return values


def read(file: Path) -> Compiled:
    """Reads a compiled file.

    Args:
        file: What `compile` wrote.

    Raises:
        RecipeError: It is none, or kfp cannot read it.
    """
    try:
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        spec = documents[0]
        _check(spec)
        tasks = tuple(_tasks(spec))
        parameters = dict(_parameters(spec["root"]))
    except OSError as error:
        raise RecipeError(f"cannot read the pipeline: {error.strerror}", where=str(file)) from None
    except (yaml.YAMLError, *_NOT_OURS) as error:
        raise RecipeError(
            f"this is no pipeline of Trainyard's: {str(error).splitlines()[0]}",
            where=str(file),
            hint="write one: trainyard kubeflow compile RECIPE -o FILE",
        ) from None
    return Compiled(spec["pipelineInfo"]["name"], documents, parameters, tasks)


def _check(spec: Any) -> None:
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    try:
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    except json_format.ParseError as error:
        raise ValueError(str(error)) from None


def _parameters(root: Mapping[str, Any]) -> Iterator[tuple[str, tuple[type, Value]]]:
    for name, entry in root.get("inputDefinitions", {}).get("parameters", {}).items():
        kind = _KINDS[entry["parameterType"]]
        yield name, (kind, kind(entry["defaultValue"]))


def _tasks(spec: Mapping[str, Any]) -> Iterator[Task]:
    entries = spec["root"]["dag"]["tasks"]
    executors = spec["deploymentSpec"]["executors"]
    order = {name: entry.get("dependentTasks", ()) for name, entry in entries.items()}
    for name in TopologicalSorter(order).static_order():
        entry = entries[name]
        component = spec["components"][entry["componentRef"]["name"]]
        container = executors[component["executorLabel"]]["container"]
        yield Task(
            name=name,
            shown=entry["taskInfo"]["name"],
            after=tuple(sorted(order[name])),
            image=container["image"],
            command=(*container.get("command", ()), *container.get("args", ())),
            env={each["name"]: each["value"] for each in container.get("env", ())},
            inputs=entry.get("inputs", {}).get("parameters", {}),
        )


def inputs(task: Task, run: str, arguments: Mapping[str, Value]) -> dict[str, Value]:
    """Gives a task its inputs, as the driver does.

    Args:
        task: The task.
        run: Kubeflow's id of the run.
        arguments: The run's.

    Raises:
        RecipeError: An input comes from somewhere that our files do not use.
    """
    return {name: _input(source, task, run, arguments) for name, source in task.inputs.items()}


def _input(
    source: Mapping[str, Any], task: Task, run: str, arguments: Mapping[str, Value]
) -> Value:
    if "componentInputParameter" in source:
        return arguments[source["componentInputParameter"]]
    constant = source.get("runtimeValue", {}).get("constant")
    if not isinstance(constant, str | int | float | bool):
        raise RecipeError("an input of a task is no value", where=task.name, received=str(source))
    # The driver replaces a value that is a placeholder, never a part of one.
    known = {"{{$.pipeline_job_uuid}}": run, _TASK: task.name}
    return known.get(str(constant), constant)


def command(task: Task, given: Mapping[str, Value]) -> list[str]:
    """Puts inputs into a task's command, as the launcher does.

    Args:
        task: The task.
        given: What `inputs` returned.

    Raises:
        RecipeError: A placeholder stands for nothing.
    """
    words = list(task.command)
    for name, value in given.items():
        placeholder = f"{{{{$.inputs.parameters['{name}']}}}}"
        words = [word.replace(placeholder, _text(value)) for word in words]
    if left := [word for word in words if _LEFT_OVER.search(word)]:
        raise RecipeError(
            "Kubeflow's launcher would leave a placeholder", where=task.name, received=left[0]
        )
    return words


def _text(value: Value) -> str:
    """As Go's launcher writes it: no exponent, no needless digits."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
