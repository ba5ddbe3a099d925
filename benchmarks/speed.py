"""Measures stock TFX and both engines, and writes benchmarks/RESULTS.md and results.svg.

    python -m benchmarks.speed --resume                      # all, as `make bench` does
    python -m benchmarks.speed --rows 15002 --repeats 1      # a first look, in minutes

The systems take turns in one sitting (A B C A B C ...), each run in a process and an
output folder of its own. What was measured stays in trainyard_out/bench.json under
commit, rows, system and repetition, so a killed benchmark goes on with --resume.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from benchmarks import machine, results, taxi_rows
from benchmarks.measuring import Measured, measure
from trainyard.data import datasets
from trainyard.files import write_whole
from trainyard.pipeline import workspace
from trainyard.recipe_schema import Engine

ROOT = Path(__file__).parents[1]
COMPARED = (15_002, 300_040)
ALONE = 3_000_400
"""From this size on, the local engine runs alone, and once."""

_MEASURED = (
    "trainyard",
    "requirements.lock",
    "benchmarks/taxi.yaml",
    "benchmarks/taxi_rows.py",
    "benchmarks/measuring.py",
    "benchmarks/stock_pipeline.py",
    "benchmarks/stock_taxi.py",
)
"""A change of anything else, such as the page's wording, leaves what was measured valid."""

_STOCK_NAMES = {"CsvExampleGen": "ExampleGen", "latest_blessed_model_resolver": "Baseline"}


class Turn(NamedTuple):
    """One run that is to be measured."""

    rows: int
    system: str
    repetition: int

    @property
    def folder(self) -> Path:
        """Where it writes; removed once it is measured."""
        return workspace.home() / "bench" / f"{self.system}-{self.rows}-{self.repetition}"


def main() -> int:
    """Measures what is asked for, then writes the page and the plot."""
    options = _options()
    workspace.home().mkdir(parents=True, exist_ok=True)
    state_file = workspace.home() / "bench.json"
    state = json.loads(state_file.read_text("utf-8")) if state_file.exists() else {"runs": {}}
    state["machine"] = machine.facts()
    commit = machine.commit(_MEASURED)
    for turn in plan(options.rows, options.repeats, _runnable(options.systems)):
        key = f"{commit}/{turn.rows}/{turn.system}/{turn.repetition}"
        if not (options.resume and key in state["runs"]):
            state["runs"][key] = _run(turn) | {"commit": commit, **turn._asdict()}
            write_whole(state_file, json.dumps(state, indent=1))
        _say(f"{key}: {state['runs'][key]['first']['seconds']:.1f} s")
    runs = [run for run in state["runs"].values() if run["commit"] == commit]
    results.write(options.output, state["machine"], runs)
    _say(f"{options.output / results.PAGE}, {options.output / results.PICTURE}")
    return 0


def plan(rows: Iterable[int], repeats: int, systems: Iterable[str]) -> Iterator[Turn]:
    """Yields the runs in order: size by size, and within a size the systems in turn."""
    systems = list(systems)
    for size in rows:
        if size < ALONE:
            for repetition in range(1, repeats + 1):
                yield from (Turn(size, system, repetition) for system in systems)
        elif results.LOCAL in systems:
            yield Turn(size, results.LOCAL, 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rows", type=int, nargs="+", default=[*COMPARED, ALONE])
    parser.add_argument("--repeats", type=int, default=3, help="of each size but the largest")
    parser.add_argument(
        "--systems", nargs="+", choices=results.SYSTEMS, default=list(results.SYSTEMS)
    )
    parser.add_argument("--resume", action="store_true", help="keep what this commit has measured")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks", help="for the page")
    return parser.parse_args()


def _runnable(systems: list[str]) -> list[str]:
    """Without an engine to choose in the recipe there is one Trainyard, not two."""
    if results.BEAM in systems and not _has_engines():
        _say("beam is skipped: recipes of this commit have no engine.name, so there is one engine")
        return [system for system in systems if system != results.BEAM]
    return systems


def _has_engines() -> bool:
    return "name" in Engine.model_fields


def _run(turn: Turn) -> dict[str, Any]:
    """Runs a system in an empty folder; after the first repetition again, unchanged."""
    shutil.rmtree(turn.folder, ignore_errors=True)
    turn.folder.mkdir(parents=True)
    recipe = _recipe(turn)
    first, stages = _once(turn, recipe)
    run: dict[str, Any] = {
        "first": asdict(first),
        "stages": stages,
        "engine_named": _has_engines(),
        "finished": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    }
    if turn.repetition == 1:
        again, _ = _once(turn, recipe)
        run |= {"again": asdict(again), "outcome": _outcome(turn)}
    shutil.rmtree(turn.folder)
    return run


def _once(turn: Turn, recipe: Path) -> tuple[Measured, dict[str, float]]:
    log, times = turn.folder / "output.log", turn.folder / "times.json"
    stock = ("benchmarks.stock_pipeline", str(recipe), str(_data(turn.rows).parent))
    command = (
        [*stock, str(turn.folder), str(times)]
        if turn.system == results.STOCK
        else ["trainyard", "run", str(recipe)]
    )
    measured = measure(
        [sys.executable, "-m", *command],
        folder=ROOT,
        log=log,
        environment={"TRAINYARD_HOME": str(turn.folder)},
    )
    stages = _stock_stages(times) if turn.system == results.STOCK else _own_stages(turn.folder)
    return measured, stages


def _stock_stages(times: Path) -> dict[str, float]:
    nodes: dict[str, float] = json.loads(times.read_text("utf-8"))
    return {_STOCK_NAMES.get(name, name): seconds for name, seconds in nodes.items()}


def _own_stages(home: Path) -> dict[str, float]:
    newest = max(home.glob("*/runs/*/run.json"), key=lambda file: file.parent.name)
    record = json.loads(newest.read_text("utf-8"))
    return {stage["name"]: stage["seconds"] for stage in record["stages"]}


def _outcome(turn: Turn) -> dict[str, Any]:
    target = turn.folder / "outcome.json"
    command = [sys.executable, "-m", "benchmarks.outcome", str(turn.folder), str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return dict(json.loads(target.read_text("utf-8")))


def _recipe(turn: Turn) -> Path:
    """Writes the benchmark's recipe with its data, and the engine where there is a choice."""
    yaml = YAML(typ="rt")
    document = yaml.load((ROOT / "benchmarks" / "taxi.yaml").read_text("utf-8"))
    document["data"]["path"] = str(_data(turn.rows))
    if turn.system != results.STOCK and _has_engines():
        document["engine"] = {"name": turn.system}
    file = turn.folder / "taxi.yaml"
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(document, stream)
    return file


def _data(rows: int) -> Path:
    """The CSV file of that many rows, alone in its folder as CsvExampleGen wants it."""
    folder = workspace.home() / "bench" / "data" / str(rows)
    folder.mkdir(parents=True, exist_ok=True)
    taxi_rows.write(Path(datasets.fetch("taxi")), folder / "taxi.csv", rows)
    return folder / "taxi.csv"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    raise SystemExit(main())
