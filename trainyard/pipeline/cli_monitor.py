"""`trainyard monitor`: parse, load, call; no logic."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

ALARM = 10
"""The exit code of a look that raised an alarm: no error, and no other command's."""

Given = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe.")]


def monitor(
    recipe: Given,
    window: Annotated[
        str | None, typer.Option(help="30m, 24h, 7d, or a number of rows; else the recipe's.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: labels that are known by now, by key.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="A column that joins labels, one or more; else the recipe's data.key."),
    ] = None,
    server: Annotated[
        str, typer.Option(help="Where the server's metrics are.")
    ] = "http://127.0.0.1:8501",
    version: Annotated[
        int | None,
        typer.Option(help="A pushed version; the champion (the model in service) if not given."),
    ] = None,
    watch: Annotated[
        float | None, typer.Option(min=1, help="Look again after so many seconds, until stopped.")
    ] = None,
    listen: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve Prometheus gauges on this port.")
    ] = None,
) -> None:
    """Compares what the model is asked with what it was trained on; exit code 10: an alarm."""
    import logging

    from trainyard.pipeline import frameworks, ownership, quiet
    from trainyard.pipeline.console import working
    from trainyard.pipeline.recipe import locating

    loaded = ownership.load(recipe)
    with frameworks.loading(cloud=False), working("starting"):
        from trainyard.pipeline.monitor import watching
        from trainyard.pipeline.monitor.look import Wishes
    quiet.log_to(logging.ERROR)
    wishes = Wishes(window, labels, tuple(key or ()), server, version)
    if listen is not None:
        watching.listen(loaded, listen)
    with locating(recipe):
        alarms = watching.look_and_say(loaded, wishes)
    with suppress(KeyboardInterrupt):  # how a watch ends
        while watch is not None:
            time.sleep(watch)
            alarms = watching.look_again(loaded, wishes)
    if alarms:
        raise typer.Exit(ALARM)
