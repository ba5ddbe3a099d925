"""Looking once or again and again, and saying what was found."""

from __future__ import annotations

from prometheus_client import start_http_server
from rich.console import Console

from trainyard.errors import TrainyardError
from trainyard.pipeline.console import working
from trainyard.pipeline.monitor.look import Wishes, look, summary
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe
from trainyard.serving.monitor import outlets, report


def listen(recipe: Recipe, port: int) -> int:
    """Serves the newest report as Prometheus gauges, on a thread of its own.

    Args:
        recipe: Whose.
        port: Of localhost; 0 for any that is free.

    Returns:
        The port.
    """
    folder = Workspace.of(recipe).monitor
    registry = outlets.registry(lambda: report.read(folder))
    server, _ = start_http_server(port, "127.0.0.1", registry)
    _console().print(f"gauges   http://127.0.0.1:{server.server_port}/metrics")
    return int(server.server_port)


def look_and_say(recipe: Recipe, wishes: Wishes) -> int:
    """Looks, and prints a line an alarm.

    Args:
        recipe: Whose.
        wishes: What the command line asks for.

    Returns:
        How many alarms there are.
    """
    with working("starting"):
        made = look(recipe, wishes)
    for line in summary(made, Workspace.of(recipe).monitor):
        _console().print(line)
    return len(made.alarms)


def look_again(recipe: Recipe, wishes: Wishes) -> int:
    """Does as `look_and_say`; what cannot be looked at now may be there the next time."""
    try:
        return look_and_say(recipe, wishes)
    except TrainyardError as error:
        _console().print(f"error: {error}", markup=False)
        return 0


def _console() -> Console:
    return Console(highlight=False, emoji=False, soft_wrap=True)
