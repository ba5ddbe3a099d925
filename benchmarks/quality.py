"""Runs every recipe to its stated reference and writes docs/QUALITY.md.

Can be resumed: what is done is kept in trainyard_out/quality.json, by recipe
and by the commit that last changed what trains and judges it; delete that file
to begin anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import machine, references, single_tasks
from benchmarks.variants import TRAINED_WITH
from trainyard.errors import EnvironmentProblem
from trainyard.files import write_whole
from trainyard.pipeline import quiet, workspace
from trainyard.pipeline.recipe import resolved_recipe
from trainyard.pipeline.records import RunRecord, find_run

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "QUALITY.md"
HEADER = """\
# Quality reached

Written by `make quality`. Every figure is measured on the split that the Evaluator judges on, which
no training and no early stopping has seen; references are fitted by scikit-learn on the same
training rows and columns; of images, on the pixels, at 32 by 32 if the recipe's are larger; of
text, series and pairs they are what benchmarks/references.py says. "Alone" is the same network
trained for that head alone. Seeds are fixed in the recipes.

"""
COLUMNS = ("recipe", "metric", "reached", "floor", "trivial", "linear", "boosting", "alone")
COLUMNS += ("verdict", "seconds", "commit")
RECIPES = (*references.GOALS, *single_tasks.GOALS)
FIGURES = ("reached", "floor", "trivial", "linear", "boosted", "alone")

Row = dict[str, Any]


def main() -> int:
    """Returns how many rows fell short."""
    quiet.before_imports()
    state = workspace.home() / "quality.json"
    workspace.home().mkdir(parents=True, exist_ok=True)
    done: dict[str, list[Row]] = json.loads(state.read_text("utf-8")) if state.exists() else {}
    for name in RECIPES:
        commit = machine.commit([*TRAINED_WITH, f"recipes/{name}.yaml"])
        if name not in done or done[name][0]["commit"] != commit:
            done[name] = [row | {"commit": commit} for row in _measure(name)]
            write_whole(state, json.dumps(done, indent=1))
        print(*map(_line, done[name]), sep="\n")  # noqa: T201
    rows = [row for name in RECIPES for row in done[name]]
    table = "\n".join([_cells(COLUMNS), _cells(["---"] * len(COLUMNS)), *map(_line, rows)])
    write_whole(PAGE, f"{HEADER}{table}\n\nLast run {date.today():%Y-%m-%d}.\n")
    return sum(1 for row in rows if row["shortfalls"])


def _measure(name: str) -> list[Row]:
    command = [sys.executable, "-m", "trainyard", "run", str(ROOT / "recipes" / f"{name}.yaml")]
    ended = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if ended.returncode == EnvironmentProblem.exit_code:
        return [_not_run(name, ended.stderr)]
    if ended.returncode not in (0, 6):
        raise SystemExit(f"{ended.stderr}\n{name} failed; mend it and run make quality again")
    record = find_run(name)
    known = {"pushed": record.verdict.pushed, "seconds": record.seconds}
    found = _of_heads(record) if name in single_tasks.GOALS else [_of_one(record)]
    return [row | known for row in found]


def _of_one(record: RunRecord) -> Row:
    result = references.compare(resolved_recipe(record.recipe_json), record)
    return {
        "name": record.recipe,
        "metric": result.goal.metric,
        "reached": result.reached,
        "floor": result.goal.floor,
        "trivial": result.trivial,
        "linear": result.linear,
        "boosted": result.boosted,
        "shortfalls": result.shortfalls,
    }


def _of_heads(record: RunRecord) -> list[Row]:
    recipe = resolved_recipe(record.recipe_json)
    return [
        {
            "name": f"{recipe.name}, {result.head}",
            "metric": result.metric,
            "reached": result.reached,
            "alone": result.alone,
            "shortfalls": [] if result.holds else [f"{result.worse_by:.1%} worse than alone"],
        }
        for result in single_tasks.compare(recipe, record.verdict.metrics)
    ]


def _not_run(name: str, said: str) -> Row:
    """Notes what this machine has not got, such as weights that cannot be downloaded."""
    why = said.strip().splitlines()[0].removeprefix("error: ")
    metric = references.GOALS[name].metric
    return {"name": name, "metric": metric, "shortfalls": [], "not_run": why}


def _line(row: Row) -> str:
    figures = [row.get(key) for key in FIGURES]
    shown = ["" if figure is None else f"{figure:.4g}" for figure in figures]
    seconds = f"{row['seconds']:.0f}" if "seconds" in row else ""
    return _cells([row["name"], row["metric"], *shown, _verdict(row), seconds, row["commit"]])


def _cells(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _verdict(row: Row) -> str:
    if "not_run" in row:
        return f"not run: {row['not_run']}"
    return "; ".join(row["shortfalls"]) or ("reached, pushed" if row["pushed"] else "reached")


if __name__ == "__main__":
    raise SystemExit(main())
