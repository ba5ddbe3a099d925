"""The commands of the registry: `models`, `canary`, `shadow`; parse, load, call."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainyard.errors import NotPushedError, RecipeError
from trainyard.wording import counted

if TYPE_CHECKING:
    from trainyard.pipeline.registry.decisions import Decision
    from trainyard.recipe_schema import Recipe

models_app = typer.Typer(
    help="The versions of a recipe's model: list, show, diff, promote, rollback, mirror.",
    no_args_is_help=True,
)

RecipeFile = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="A recipe, such as recipes/wine.yaml.")
]
Name = Annotated[str, typer.Argument(metavar="VERSION", help="A number, champion or challenger.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Reason = Annotated[str, typer.Option(help="Why; it is recorded.")]

_BY = "trainyard models"
_BY_CANARY = "trainyard canary"
_UNCUT = 500  # characters of a line where there is no screen


def register(app: typer.Typer) -> None:
    """Adds the commands.

    Args:
        app: What they are added to.
    """
    app.add_typer(models_app, name="models")
    app.command("canary")(canary)
    app.command("shadow")(shadow)


@models_app.command("list")
def list_versions(recipe: RecipeFile, as_json: AsJson = False) -> None:
    """Lists the versions there are, newest first."""
    from trainyard.pipeline.registry import tables, versions

    found = versions.all_versions(_loaded(recipe))
    if as_json:
        _print_json([version.model_dump(mode="json") for version in reversed(found)])
    else:
        _print(tables.listing(found) if found else "no version has been pushed yet")


@models_app.command("show")
def show(recipe: RecipeFile, version: Name = "champion", as_json: AsJson = False) -> None:
    """Shows all that is known of a version."""
    from trainyard.pipeline.registry import decisions, tables, versions

    loaded = _loaded(recipe)
    found = versions.find(loaded, version)
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        _print(tables.shown(found, decisions.read(loaded)))


@models_app.command("diff")
def diff(recipe: RecipeFile, old: Name, new: Name, as_json: AsJson = False) -> None:
    """Shows what two versions do not have in common."""
    from trainyard.pipeline.registry import tables, versions

    loaded = _loaded(recipe)
    found = versions.find(loaded, old), versions.find(loaded, new)
    if as_json:
        _print_json(tables.differences(*found))
    else:
        _print(tables.difference(*found))


@models_app.command("promote")
def promote(
    recipe: RecipeFile, version: Name, reason: Reason = "by hand", as_json: AsJson = False
) -> None:
    """Makes a version the champion: it answers all requests that name no version."""
    loaded = _loaded(recipe)
    with _live("loading the version"):
        from trainyard.pipeline.registry import promotion

        decision = promotion.promote(loaded, version, reason, _BY)
    _tell(decision, as_json)


@models_app.command("rollback")
def rollback(
    recipe: RecipeFile,
    version: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="If not given, the champion before this one."),
    ] = None,
    reason: Reason = "by hand",
    as_json: AsJson = False,
) -> None:
    """Makes an earlier version the champion again."""
    loaded = _loaded(recipe)
    with _live("loading the version"):
        from trainyard.pipeline.registry import promotion

        decision = promotion.roll_back(loaded, version, reason, _BY)
    _tell(decision, as_json)


@models_app.command("mirror")
def mirror(
    recipe: RecipeFile,
    to: Annotated[
        str,
        typer.Option(envvar="MLFLOW_TRACKING_URI", help="A store, such as sqlite:///mlflow.db."),
    ],
) -> None:
    """Copies runs, versions and aliases to MLflow (the extra `mlflow`)."""
    loaded = _loaded(recipe)
    with _live("copying"):
        from trainyard.pipeline.registry import mirror as mirrors

        told = mirrors.mirror(loaded, to)
    aliases = "".join(f", {alias}: version {number}" for alias, number in told.aliases.items())
    added = f"{counted(told.runs, 'run')} and {counted(told.versions, 'version')}"
    _print(f"{added} added to {to}{aliases}")


def canary(
    recipe: RecipeFile,
    share: Annotated[
        float | None,
        typer.Option(help="Of the requests that name no version; else the recipe's."),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="The version on trial; the newest if not given.")
    ] = None,
    decide: Annotated[
        bool, typer.Option("--decide", help="Compare both versions; promote or roll back.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the trial, undecided.")] = False,
    as_json: AsJson = False,
) -> None:
    """Puts a version on trial with a share of the requests, and decides by the recipe's rules."""
    loaded = _loaded(recipe)
    with _live("comparing" if decide else "loading the version"):
        from trainyard.pipeline.registry import rollouts, tables

        comparison = None
        if decide:
            comparison, decision = rollouts.decide(loaded, _BY_CANARY)
        elif stop:
            decision = rollouts.stop(loaded, "stopped by hand", _BY_CANARY)
        else:
            _require_share(share)
            decision = rollouts.start(loaded, version, share, _BY_CANARY)
    if as_json:
        told = {"decision": decision, "comparison": comparison}
        _print_json({key: each and each.model_dump(mode="json") for key, each in told.items()})
    else:
        if comparison is not None:
            _print(tables.compared(comparison))
        _print(tables.decided(decision, comparison))
    if comparison is not None and comparison.outcome == "roll back":
        raise typer.Exit(NotPushedError.exit_code)


def shadow(
    recipe: RecipeFile,
    version: Annotated[str, typer.Option(help="The candidate.")],
    requests: Annotated[
        int, typer.Option(min=1, help="So many logged requests, the latest.")
    ] = 1000,
    as_json: AsJson = False,
) -> None:
    """Replays logged requests through a version and the champion, and compares them."""
    loaded = _loaded(recipe)
    with _live("replaying"):
        from trainyard.pipeline.registry import shadow as shadows
        from trainyard.pipeline.registry import tables

        report, file = shadows.replay(loaded, version, requests, "trainyard shadow")
    if as_json:
        _print_json(report.model_dump(mode="json") | {"outcome": report.comparison.outcome})
    else:
        _print(tables.compared(report.comparison))
        _print(tables.replayed(report))
        _print(f"written to {file}")


def _require_share(share: float | None) -> None:
    if share is not None and not 0 < share < 1:
        raise RecipeError(
            "a share is between 0 and 1", where="--share", received=str(share), hint="such as 0.1"
        )


def _loaded(recipe: Path) -> Recipe:
    from trainyard.pipeline import ownership, quiet

    quiet.before_imports()
    return ownership.load(recipe)


@contextmanager
def _live(text: str) -> Iterator[None]:
    """Says what takes a while, and keeps the frameworks silent."""
    from trainyard.pipeline import quiet
    from trainyard.pipeline.console import working

    with working(text):
        quiet.log_to(logging.ERROR)
        yield


def _tell(decision: Decision, as_json: bool) -> None:
    if as_json:
        _print_json(decision.model_dump(mode="json"))
    else:
        _print(f"version {decision.version} is the champion: {decision.reason}")


def _print(what: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False, emoji=False, markup=False)
    if console.is_terminal or isinstance(what, str):
        console.print(what, soft_wrap=isinstance(what, str))
        return
    console.width = _UNCUT
    with console.capture() as captured:
        console.print(what)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _print_json(document: Any) -> None:
    import json

    typer.echo(json.dumps(document, indent=1))
