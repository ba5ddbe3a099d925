"""`trainyard kubeflow compile`: a pipeline file of which each container runs one stage."""

from __future__ import annotations

import inspect
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from kfp import compiler, dsl, kubernetes

from trainyard.errors import RecipeError, nearest
from trainyard.files import write_whole
from trainyard.pipeline.kubeflow import reach, stores
from trainyard.pipeline.kubeflow.luggage import Luggage
from trainyard.pipeline.kubeflow.parameters import Parameter, parameters
from trainyard.pipeline.kubeflow.shape import shape
from trainyard.pipeline.recipe import located, parse_recipe
from trainyard.recipe_schema import Kubeflow, Pod, Recipe
from trainyard.trainer_modules import harness
from trainyard.wording import counted

RUN = "run"
"""The input of every component that has what Kubeflow calls the run."""

_BACKOFF = "30s"


def compile_recipe(recipe_file: Path, output: Path) -> list[str]:
    """Compiles a recipe for Kubeflow Pipelines.

    Args:
        recipe_file: The recipe.
        output: The pipeline file to write; all that pods need besides the image and the data.

    Returns:
        What is worth knowing, in sentences.

    Raises:
        RecipeError: It could not run there.
    """
    recipe = parse_recipe(recipe_file)
    try:
        plan = _plan(recipe, recipe_file)
    except RecipeError as error:
        raise located(error, recipe_file) from None
    write_whole(output, _written(plan))
    names = ", ".join(parameter.name for parameter in plan.parameters)
    return [
        f"wrote {output}: {counted(len(plan.nodes), 'stage')}, image {recipe.kubeflow.image}, "
        f"root {plan.root}, metadata {stores.address(recipe.kubeflow.metadata)}",
        f"parameters of a run: {names or 'none'}",
    ]


class _Plan(NamedTuple):
    """All that the file is made of."""

    name: str
    root: PurePosixPath
    luggage: Luggage
    settings: Kubeflow
    nodes: Mapping[str, Sequence[str]]
    parameters: Sequence[Parameter]


def _plan(recipe: Recipe, recipe_file: Path) -> _Plan:
    settings = recipe.kubeflow
    name = reach.name(recipe.name, "name")
    root = reach.root(settings)
    harness.check(recipe.trainer, recipe.heads)
    harness.check_inputs(recipe.trainer, recipe.features)
    reach.check(recipe)
    luggage = Luggage.of(recipe_file)
    schema = recipe.data.schema_file
    nodes = shape(recipe, schema if schema == "infer" else str(recipe_file.parent / schema))
    for node in settings.nodes:
        if node not in nodes:
            where = f"kubeflow.nodes.{node}"
            raise RecipeError("there is no such stage", where=where, hint=nearest(node, nodes))
    return _Plan(name, root, luggage, settings, nodes, parameters(recipe))


def _written(plan: _Plan) -> str:
    """Has kfp write the file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(_pipeline(plan), str(file))
        return file.read_text(encoding="utf-8")


def _pipeline(plan: _Plan) -> Any:
    """Makes kfp's pipeline: a component a node, and an edge where the DAG has one."""

    def build(*values: Any) -> None:
        given = dict(zip((each.name for each in plan.parameters), values, strict=True))
        tasks: dict[str, Any] = {}
        for node, upstream in plan.nodes.items():
            run = {RUN: dsl.PIPELINE_JOB_ID_PLACEHOLDER}
            task = _component(node, plan)(**run, **given)
            task.after(*(tasks[name] for name in upstream))
            _equip(task.set_display_name(node), plan.settings, node)
            tasks[node] = task

    defaults = [_input(each.name, type(each.value), each.value) for each in plan.parameters]
    build.__signature__ = inspect.Signature(defaults)  # type: ignore[attr-defined]
    return dsl.pipeline(name=plan.name, description=_description(plan))(build)


def _description(plan: _Plan) -> str:
    return f"Trainyard's recipe {plan.luggage.name}: from its data to a pushed model."


def _component(node: str, plan: _Plan) -> Any:
    """Makes kfp's component of a node."""

    def component(run: Any, *values: Any) -> dsl.ContainerSpec:
        pairs = zip(plan.parameters, values, strict=True)
        changes = [word for each, value in pairs for word in ("--set", each.change(value))]
        return dsl.ContainerSpec(
            image=plan.settings.image,
            command=["python", "-m", "trainyard", "run-node"],
            args=["--node", node, "--run", run, *_constant(plan), *changes],
        )

    component.__name__ = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node).lower()
    inputs = [_input(RUN, str), *(_input(each.name, type(each.value)) for each in plan.parameters)]
    component.__signature__ = inspect.Signature(inputs)  # type: ignore[attr-defined]
    return dsl.container_component(component)


def _input(name: str, kind: type, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    where = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, where, annotation=kind, default=default)


def _constant(plan: _Plan) -> list[str]:
    """The arguments that are the same in all nodes and all runs."""
    words = {
        "--recipe": plan.luggage.packed(),
        "--root": str(plan.root),
        "--metadata": stores.address(plan.settings.metadata),
    }
    return [word for pair in words.items() for word in pair] + (
        [] if plan.settings.caching else ["--no-cache"]
    )


def _equip(task: Any, settings: Kubeflow, node: str) -> None:
    """Gives a task what the recipe says of its pod."""
    # Kubeflow's cache knows the command, not the data or what was served meanwhile; TFX's does.
    task.set_caching_options(enable_caching=False)
    _ask_for(task, settings.pod_of(node))
    for claim, folder in settings.volumes.items():
        kubernetes.mount_pvc(task, pvc_name=claim, mount_path=folder)
    for secret in settings.secrets:
        if secret.env:
            kubernetes.use_secret_as_env(task, secret.name, dict(secret.env))
        if secret.mount:
            kubernetes.use_secret_as_volume(task, secret.name, secret.mount)
    if settings.metadata.secret:
        keys = {"username": stores.USER, "password": stores.PASSWORD}
        kubernetes.use_secret_as_env(task, settings.metadata.secret, keys)
    if settings.image_pull_secret:
        kubernetes.set_image_pull_secrets(task, [settings.image_pull_secret])
    if settings.image_pull_policy:
        kubernetes.set_image_pull_policy(task, settings.image_pull_policy)


def _ask_for(task: Any, pod: Pod) -> None:
    # Requests are the limits: the scheduler then knows what a stage really takes.
    if pod.cpu:
        task.set_cpu_request(pod.cpu).set_cpu_limit(pod.cpu)
    if pod.memory:
        task.set_memory_request(pod.memory).set_memory_limit(pod.memory)
    if pod.gpu:
        task.set_accelerator_type(pod.gpu_resource).set_accelerator_limit(pod.gpu)
    for label, value in pod.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    if pod.retries:
        task.set_retry(pod.retries, backoff_duration=_BACKOFF)
