"""The commands for Kubeflow: parse, load, call; no logic."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainyard.errors import NotPushedError, RecipeError, nearest

if TYPE_CHECKING:
    from trainyard.pipeline.kubeflow.api import Api

app = typer.Typer(help="The recipe as a pipeline of Kubeflow.", no_args_is_help=True)
schedule_app = typer.Typer(help="Runs again and again: one at a time.", no_args_is_help=True)
app.add_typer(schedule_app, name="schedule")
image_app = typer.Typer(help="The container image that pods run.", no_args_is_help=True)


class Target(StrEnum):
    """Who runs a compiled file."""

    kfp = "kfp"
    vertex = "vertex"


PipelineFile = Annotated[
    Path, typer.Argument(metavar="PIPELINE", help="What `trainyard kubeflow compile` wrote.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Another value; may be given several times."),
]
Host = Annotated[
    str, typer.Option(envvar="KF_PIPELINES_ENDPOINT", help="Kubeflow's address, with https://.")
]
Namespace = Annotated[str, typer.Option(help="Yours, where Kubeflow has several users.")]
Auth = Annotated[
    str,
    typer.Option(
        help="none, token (KUBEFLOW_TOKEN), dex (KUBEFLOW_USER, KUBEFLOW_PASSWORD), in-cluster."
    ),
]
TokenFile = Annotated[Path | None, typer.Option(help="Has the token, or the pod's.")]
CaFile = Annotated[Path | None, typer.Option(help="The certificate that signed the host's.")]
ScheduleName = Annotated[str, typer.Argument(metavar="NAME", help="Its name, its recipe's, or id.")]


def register(main: typer.Typer) -> None:
    """Adds the commands to the command line.

    Args:
        main: Trainyard's.
    """
    main.add_typer(app, name="kubeflow")
    main.add_typer(image_app, name="image")
    main.command("run-node", hidden=True)(run_node)


@app.command("compile")
def compile_recipe(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    target: Annotated[Target, typer.Option(help="kfp: Kubeflow Pipelines.")] = Target.kfp,
) -> None:
    """Writes a pipeline file that Kubeflow Pipelines runs: a container a stage."""
    from trainyard.pipeline import frameworks
    from trainyard.pipeline.console import working

    with frameworks.loading(cloud=True), working("compiling"):
        from trainyard.pipeline.kubeflow import compiler, vertex

        targets = {Target.kfp: compiler.compile_recipe, Target.vertex: vertex.compile_recipe}
        told = targets[target](recipe, output)
    _print("\n".join(told))


@app.command()
def rehearse(
    pipeline: PipelineFile,
    settings: Settings = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--recipe-set", metavar="KEY=VALUE", help="As --set, of any recipe key."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="In place of the folder that pods share.")
    ] = None,
) -> None:
    """Runs every container's command as a process here, from the compiled file alone."""
    from trainyard.pipeline import listing
    from trainyard.pipeline.kubeflow import rehearsal

    record = rehearsal.rehearse(pipeline, _pairs(settings), _pairs(changes), root)
    _print("\n" + listing.why(record))
    if not record.verdict.pushed:
        raise typer.Exit(NotPushedError.exit_code)


@app.command()
def submit(
    pipeline: PipelineFile,
    settings: Settings = None,
    name: Annotated[str | None, typer.Option(help="The run's; else the pipeline's, now.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until the run has ended.")] = False,
    timeout: Annotated[float, typer.Option(help="Hours to wait at most.")] = 24.0,
    host: Host = "",
    namespace: Namespace = "",
    auth: Auth = "none",
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Starts a run of a compiled pipeline, and prints its address."""
    from trainyard.pipeline.console import working
    from trainyard.pipeline.kubeflow import submission

    api = _api(host, namespace, auth, token_file, ca_file)
    run_id = submission.submit(pipeline, _pairs(settings), api, _print, name)
    if wait:
        with working("waiting"):
            submission.wait(api, run_id, _print, at_most=3600 * timeout)


@app.command()
def status(
    run: Annotated[str | None, typer.Argument(help="A run's id; if not given, the newest.")] = None,
    host: Host = "",
    namespace: Namespace = "",
    auth: Auth = "none",
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Says how the runs are, or one of them, stage by stage."""
    from trainyard.pipeline.kubeflow import submission

    api = _api(host, namespace, auth, token_file, ca_file)
    _print("\n".join(submission.status(api, run)))


@schedule_app.command("create")
def schedule_create(
    pipeline: PipelineFile,
    settings: Settings = None,
    cron: Annotated[
        str | None, typer.Option(help="Five fields, UTC; in place of the recipe's schedule.")
    ] = None,
    host: Host = "",
    namespace: Namespace = "",
    auth: Auth = "none",
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Has Kubeflow run a pipeline by the recipe's schedule."""
    from trainyard.pipeline.kubeflow import schedules

    api = _api(host, namespace, auth, token_file, ca_file)
    schedules.create(pipeline, _pairs(settings), api, _print, cron)


@schedule_app.command("list")
def schedule_list(
    host: Host = "",
    namespace: Namespace = "",
    auth: Auth = "none",
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Lists the schedules there are."""
    from trainyard.pipeline.kubeflow import schedules

    _print("\n".join(schedules.listed(_api(host, namespace, auth, token_file, ca_file))))


def _changing(what: str, summary: str) -> Callable[..., None]:
    def change(
        name: ScheduleName,
        host: Host = "",
        namespace: Namespace = "",
        auth: Auth = "none",
        token_file: TokenFile = None,
        ca_file: CaFile = None,
    ) -> None:
        from trainyard.pipeline.kubeflow import schedules

        schedules.change(_api(host, namespace, auth, token_file, ca_file), name, what)
        _print(f"{name}: {what}d")

    change.__doc__ = summary
    return change


schedule_app.command("pause")(_changing("disable", "Pauses a schedule."))
schedule_app.command("resume")(_changing("enable", "Lets a paused schedule go on."))
schedule_app.command("delete")(_changing("delete", "Deletes a schedule; its runs stay."))


@image_app.command("build")
def image_build(
    tag: Annotated[str | None, typer.Option(help="Its name; else trainyard:COMMIT.")] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="With CUDA.")] = False,
    push: Annotated[bool, typer.Option("--push", help="To the registry that --tag names.")] = False,
) -> None:
    """Builds the image of the commit that is checked out here, by docker or podman."""
    from trainyard.pipeline import image

    built = image.build(Path.cwd(), tag, gpu=gpu, push=push)
    _print(f"built {built.tag} of commit {built.commit}; say so in the recipe: kubeflow.image")
    if built.dirty:
        _print("warning: what is not committed is not in the image")


def _api(
    host: str, namespace: str, auth: str, token_file: Path | None, ca_file: Path | None
) -> Api:
    """Connects to Kubeflow."""
    from trainyard.pipeline.kubeflow.access import KINDS, Access
    from trainyard.pipeline.kubeflow.api import Api

    if auth not in KINDS:
        raise RecipeError(f"--auth {auth}", hint=nearest(auth, KINDS))
    return Api(Access(host, namespace, auth, token_file, ca_file))


def run_node(
    node: Annotated[str, typer.Option(help="The stage.")],
    run: Annotated[str, typer.Option(help="What the orchestrator calls the run.")],
    recipe: Annotated[str, typer.Option(help="As `trainyard kubeflow compile` packs it.")],
    root: Annotated[Path, typer.Option(help="The folder that all stages share.")],
    metadata: Annotated[str, typer.Option(help="grpc:, mysql: or sqlite: address.")],
    changes: Settings = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run in any case.")] = False,
) -> None:
    """Runs one stage of a recipe; the others are processes, maybe pods, of their own."""
    from trainyard.pipeline import frameworks, quiet
    from trainyard.pipeline.kubeflow import node as nodes
    from trainyard.pipeline.kubeflow.luggage import Luggage

    luggage = Luggage.unpacked(recipe)
    task = nodes.Task(
        node=node,
        run=run,
        luggage=luggage,
        root=root.absolute(),
        metadata=metadata,
        changes=_pairs(changes),
        use_cache=not no_cache,
    )
    with frameworks.loading(cloud=luggage.parsed().engine.name != "local"):
        from trainyard.pipeline.runners import nodes as _  # noqa: F401
    quiet.log_to(logging.INFO)
    _print("\n".join(nodes.run_node(task)))


def _pairs(settings: Iterable[str] | None) -> dict[str, str]:
    """Takes NAME=VALUE apart."""
    parts = [setting.partition("=") for setting in settings or ()]
    if wrong := [name for name, sign, _ in parts if not (name and sign)]:
        raise RecipeError(f"--set {wrong[0]}", expected="NAME=VALUE")
    return {name: value for name, _, value in parts}


def _print(text: str) -> None:
    from rich.console import Console

    Console(highlight=False, emoji=False, soft_wrap=True, markup=False).print(text)
