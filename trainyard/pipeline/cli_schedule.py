"""The commands of recipes that run by themselves: parse, load, call; no logic."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from trainyard.errors import NotPushedError

_UNCUT = 500  # characters of a line where there is no screen


class _AddsByDefault(TyperGroup):
    """`trainyard schedule RECIPE` is short for `trainyard schedule add RECIPE`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the command; what is none is a recipe."""
        named = args and (args[0] in self.commands or args[0].startswith("-"))
        return super().resolve_command(ctx, args if named else ["add", *args])


schedule_app = typer.Typer(
    cls=_AddsByDefault,
    help="When recipes run by themselves: RECIPE, list, pause, resume, remove.",
    no_args_is_help=True,
)

RecipeFile = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="A recipe, such as recipes/wine.yaml.")
]
Name = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name, or its file.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Adopt = Annotated[
    bool,
    typer.Option(
        "--adopt", help="Take over runs and served model that belong to another file of this name."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands.

    Args:
        app: What they are added to.
    """
    app.add_typer(schedule_app, name="schedule")
    app.command()(scheduler)
    app.command()(retrain)
    app.command()(status)


@schedule_app.command("add")
def add(
    recipe: RecipeFile,
    cron: Annotated[
        str | None, typer.Option(help="Five fields; if not given, the recipe's `schedule`.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="An IANA name.")] = None,
    adopt: Adopt = False,
) -> None:
    """Puts a recipe on the schedule, or changes when it runs."""
    from trainyard.pipeline import ownership
    from trainyard.pipeline.scheduling import asked, schedule, tables

    loaded = ownership.load(recipe, adopt=adopt)
    wish = asked.wish(loaded, cron, timezone)
    ownership.take(loaded, recipe)  # the schedule has one line for each name
    _print(tables.line(schedule.add(loaded.name, recipe, wish)))
    _print(tables.scheduler_line())


@schedule_app.command("list")
def list_entries(as_json: AsJson = False) -> None:
    """Shows the whole schedule, what comes next first."""
    from trainyard.pipeline.scheduling import schedule, tables

    entries = schedule.entries()
    if as_json:
        _print_json([entry.model_dump(mode="json") for entry in entries])
    else:
        _print(tables.listing(entries) if entries else "nothing is on the schedule")
        _print(tables.scheduler_line())


@schedule_app.command("pause")
def pause(recipe: Name) -> None:
    """Leaves a recipe on the schedule, but no longer runs it."""
    from trainyard.pipeline.scheduling import asked, schedule, tables

    _print(tables.line(schedule.pause(asked.name_of(recipe))))


@schedule_app.command("resume")
def resume(recipe: Name) -> None:
    """Runs a paused recipe again, from its next time on."""
    from trainyard.pipeline.scheduling import asked, schedule, tables

    _print(tables.line(schedule.resume(asked.name_of(recipe))))


@schedule_app.command("remove")
def remove(recipe: Name) -> None:
    """Takes a recipe off the schedule."""
    from trainyard.pipeline.scheduling import asked, schedule

    name = asked.name_of(recipe)
    schedule.remove(name)
    _print(f"{name} is no longer on the schedule")


def scheduler(
    at_once: Annotated[int, typer.Option(min=1, help="Recipes that may run at the same time.")] = 1,
) -> None:
    """Runs what the schedule says, until it is stopped."""
    from datetime import UTC, datetime

    from trainyard.pipeline.scheduling import scheduler as process

    def say(line: str) -> None:
        _print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}  {line}")

    with suppress(KeyboardInterrupt):  # all that is to be kept is on the disk
        process.run(say, at_once)


def retrain(
    recipe: RecipeFile,
    force: Annotated[bool, typer.Option("--force", help="Run though nothing asks for it.")] = False,
    by: Annotated[str, typer.Option(help="Who asks, for the record.")] = "trainyard retrain",
    adopt: Adopt = False,
) -> None:
    """Trains a recipe again if there are new data or alarms, as its `retrain` says."""
    from trainyard.pipeline import listing, ownership, retraining

    loaded = ownership.load(recipe, adopt=adopt)
    record = retraining.retrain(loaded, recipe, force=force, by=by)
    if record is None:
        _print(retraining.nothing(loaded))
        return
    _print("\n" + listing.why(record))
    if not record.verdict.pushed:
        raise typer.Exit(NotPushedError.exit_code)


def status(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name, or its file; all if not given.")
    ] = None,
    as_json: AsJson = False,
    server: Annotated[
        str, typer.Option(help="Where `trainyard serve` answers REST.")
    ] = "http://127.0.0.1:8501",
) -> None:
    """One screen: what runs, what is served, the last drift, what comes next."""
    from trainyard.pipeline import status as looking
    from trainyard.pipeline.scheduling import asked

    found = looking.look(asked.name_of(recipe) if recipe else None, server)
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        _print(looking.screen(found))


def _print(what: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _UNCUT
    console.print(what, soft_wrap=isinstance(what, str))


def _print_json(what: Any) -> None:
    import json

    typer.echo(json.dumps(what, indent=2))
