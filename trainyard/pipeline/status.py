"""One look at all that goes on: runs, versions, servers, drift, schedule. No TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from pydantic import BaseModel, Field
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trainyard import outputs
from trainyard.errors import RecipeError, nearest
from trainyard.model_store import version_config, versions
from trainyard.pipeline import records, retraining
from trainyard.pipeline.recipe import resolved_recipe
from trainyard.pipeline.records import RunRecord
from trainyard.pipeline.registry import decisions
from trainyard.pipeline.registry.decisions import Decision
from trainyard.pipeline.scheduling import schedule, scheduler, tables
from trainyard.pipeline.scheduling.schedule import Entry
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

_PATIENCE = 0.5
_SENTENCES = 2


class Run(BaseModel):
    """The newest run.

    Attributes:
        id: Its id.
        state: What became of it; `killed` if its process is gone and it has not ended.
        stage: The stage that it is in.
        started: When.
        seconds: How long it took, or has taken.
    """

    id: str
    state: str
    stage: str = ""
    started: datetime
    seconds: float


class Served(BaseModel):
    """What is served, or would be.

    Attributes:
        folder: The model's base path.
        versions: Those there are.
        champion: The one that answers requests which name none.
        labels: Versions by label.
        server: Its address; empty if none answers for this model.
        available: The versions that it has loaded.
    """

    folder: Path
    versions: list[int] = Field(default_factory=list)
    champion: int | None = None
    labels: dict[str, int] = Field(default_factory=dict)
    server: str = ""
    available: list[int] = Field(default_factory=list)


class Drift(BaseModel):
    """The monitor's newest look.

    Attributes:
        at: When.
        version: The version that was watched.
        rows: How many rows it looked at.
        alarms: What is not as it was in training, in sentences.
    """

    at: datetime
    version: int
    rows: int
    alarms: list[str]


class RecipeStatus(BaseModel):
    """All about one recipe; what it has not got is None."""

    recipe: str
    run: Run | None = None
    served: Served | None = None
    drift: Drift | None = None
    schedule: Entry | None = None
    decision: Decision | None = None


class Status(BaseModel):
    """All about all.

    Attributes:
        home: Trainyard's output folder.
        scheduler: The scheduler's process; None if there is none.
        recipes: Those that have run or are on the schedule.
    """

    home: Path
    scheduler: int | None
    recipes: list[RecipeStatus]


def look(name: str | None, server: str) -> Status:
    """Looks at everything.

    Args:
        name: A recipe's; all if None.
        server: The address of a server's REST interface.

    Raises:
        RecipeError: Nothing is known of that recipe, or a file that is read is broken.
        EnvironmentProblem: The schedule cannot be read.
    """
    entries = {entry.recipe: entry for entry in schedule.entries()}
    known = sorted({*entries, *(folder.parent.name for folder in outputs.home().glob("*/runs"))})
    if name is not None and name not in known:
        raise RecipeError(f"nothing is known of a recipe {name!r}", hint=nearest(name, known))
    found = scheduler.running()
    wanted = known if name is None else [name]
    return Status(
        home=outputs.home(),
        scheduler=found and found.pid,
        recipes=[_recipe(each, entries.get(each), server) for each in wanted],
    )


def _recipe(name: str, entry: Entry | None, server: str) -> RecipeStatus:
    run = next(records.all_runs(name), None)
    if run is None:
        return RecipeStatus(recipe=name, schedule=entry)
    recipe = resolved_recipe(run.recipe_json)
    decided = decisions.read(recipe)
    return RecipeStatus(
        recipe=name,
        run=_run(run),
        served=_served(recipe, server),
        drift=_drift(recipe),
        schedule=entry,
        decision=decided[-1] if decided else None,
    )


def _run(run: RunRecord) -> Run:
    stage = next((stage.name for stage in run.stages if stage.state == "running"), "")
    state, seconds = run.shown_state, run.seconds
    if run.alive:
        seconds = (datetime.now(UTC) - run.started).total_seconds()
    return Run(id=run.id, state=state, stage=stage, started=run.started, seconds=round(seconds, 1))


def _served(recipe: Recipe, server: str) -> Served:
    folder = Workspace.of(recipe).serving
    champion = versions.champion(folder)
    available = _available(recipe.name, server)
    return Served(
        folder=folder,
        versions=[int(version.name) for version in outputs.versions(folder)],
        champion=int(champion.name) if champion else None,
        labels=dict(version_config.read(folder).version_labels),
        server=server if available is not None else "",
        available=available or [],
    )


def _available(name: str, server: str) -> list[int] | None:
    """Asks a server which versions of a model it has; None if it does not answer for it."""
    try:
        with urlopen(f"{server}/v1/models/{name}", timeout=_PATIENCE) as answer:
            told = json.load(answer)["model_version_status"]
        return sorted(int(each["version"]) for each in told if each["state"] == "AVAILABLE")
    except (URLError, OSError, ValueError, KeyError, TypeError):
        return None


def _drift(recipe: Recipe) -> Drift | None:
    found = retraining.last_look(recipe)
    if found is None:
        return None
    alarms = [alarm.sentence for alarm in found.alarms]
    return Drift(at=found.at, version=found.version, rows=found.rows, alarms=alarms)


def screen(status: Status) -> RenderableType:
    """What was found, for a person.

    Args:
        status: What `look` returned.
    """
    head = Text(f"{status.home}\n{tables.scheduler_line()}")
    if not status.recipes:
        return Group(head, Text("\nnothing has run yet; start with: trainyard run RECIPE"))
    return Group(head, *(_shown(each) for each in status.recipes))


def _shown(found: RecipeStatus) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(overflow="fold")
    for name, text in _lines(found):
        grid.add_row(Text(f"  {name}", style="dim"), text)
    return Group(Text(f"\n{found.recipe}", style="bold"), grid)


def _lines(found: RecipeStatus) -> Iterator[tuple[str, str]]:
    yield "run", _run_words(found.run) if found.run else "never"
    if found.served:
        yield "served", _served_words(found.served)
    if found.drift:
        yield "drift", _drift_words(found.drift)
    if found.schedule:
        yield "schedule", f"{tables.following(found.schedule)}  ({found.schedule.cron})"
    if found.decision:
        last = found.decision
        which = f" version {last.version}" if last.version else ""
        yield "decided", f"{tables.moment(last.at)} UTC, {last.what}{which}: {last.reason}"


def _run_words(run: Run) -> str:
    where = f" in {run.stage}" if run.stage else ""
    return f"{run.id} {run.state}{where}, {run.seconds:.0f} s"


def _served_words(served: Served) -> str:
    if served.champion is None:
        return "no version"
    labels = ", ".join(f"{name} {version}" for name, version in sorted(served.labels.items()))
    versions = "version" if len(served.versions) == 1 else f"{len(served.versions)} versions,"
    told = f"{versions} {served.champion} answers" + (f" ({labels})" if labels else "")
    if not served.server:
        return f"{told}; no server is running"
    loaded = ", ".join(map(str, served.available)) or "none"
    return f"{told}; {served.server} has loaded {loaded}"


def _drift_words(drift: Drift) -> str:
    told = f"{tables.moment(drift.at)} UTC, version {drift.version}, {drift.rows:,} rows: "
    if not drift.alarms:
        return told + "no alarm"
    more = f"; and {len(drift.alarms) - _SENTENCES} more" if len(drift.alarms) > _SENTENCES else ""
    return told + "; ".join(drift.alarms[:_SENTENCES]) + more
