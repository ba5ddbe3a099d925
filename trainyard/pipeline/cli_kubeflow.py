"""The commands for Kubeflow: parse, load, call; no logic."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from trainyard.errors import NotPushedError, RecipeError

app = typer.Typer(help="The recipe as a pipeline of Kubeflow.", no_args_is_help=True)

PipelineFile = Annotated[
    Path, typer.Argument(metavar="PIPELINE", help="What `trainyard kubeflow compile` wrote.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Another value; may be given several times."),
]


def register(main: typer.Typer) -> None:
    """Adds the commands to the command line.

    Args:
        main: Trainyard's.
    """
    main.add_typer(app, name="kubeflow")
    main.command(hidden=True)(run_node)


@app.command("compile")
def compile_recipe(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
) -> None:
    """Writes a pipeline file that Kubeflow Pipelines runs: a container a stage."""
    from trainyard.pipeline import frameworks
    from trainyard.pipeline.console import working

    with frameworks.loading(cloud=True), working("compiling"):
        from trainyard.pipeline.kubeflow import compiler

        told = compiler.compile_recipe(recipe, output)
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

    task = nodes.Task(
        node=node,
        run=run,
        luggage=Luggage.unpacked(recipe),
        root=root.absolute(),
        metadata=metadata,
        changes=_pairs(changes),
        use_cache=not no_cache,
    )
    with frameworks.loading(cloud=True):
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

    Console(highlight=False, soft_wrap=True, markup=False).print(text)
