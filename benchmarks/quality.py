"""Runs every recipe to its stated reference and writes docs/QUALITY.md.

Can be resumed: what is done is kept in trainyard_out/quality.json, by recipe
and commit; delete that file to begin anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import references
from trainyard.errors import EnvironmentProblem
from trainyard.files import write_whole
from trainyard.pipeline import quiet, workspace
from trainyard.pipeline.recipe import resolved_recipe
from trainyard.pipeline.records import find_run

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "QUALITY.md"
HEADER = """\
# Quality reached

Written by `make quality`. Every figure is measured on the split that the Evaluator judges on, which
no training and no early stopping has seen; references are fitted by scikit-learn on the same
training rows and columns; of images, on the pixels, at 32 by 32 if the recipe's are larger. Seeds
are fixed in the recipes.

| recipe | metric | reached | floor | trivial | linear | boosting | verdict | seconds | commit |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def main() -> int:
    """Returns how many recipes fell short."""
    quiet.before_imports()
    state = workspace.home() / "quality.json"
    workspace.home().mkdir(parents=True, exist_ok=True)
    done: dict[str, Any] = json.loads(state.read_text("utf-8")) if state.exists() else {}
    commit = _commit()
    for name in references.GOALS:
        if done.get(name, {}).get("commit") != commit:
            done[name] = _measure(name) | {"commit": commit}
            write_whole(state, json.dumps(done, indent=1))
        print(_row(name, done[name]))  # noqa: T201
    rows = "\n".join(_row(name, done[name]) for name in references.GOALS)
    write_whole(PAGE, f"{HEADER}{rows}\n\nLast run {date.today():%Y-%m-%d}.\n")
    return sum(1 for entry in done.values() if entry["shortfalls"])


def _measure(name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "trainyard", "run", str(ROOT / "recipes" / f"{name}.yaml")]
    ended = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if ended.returncode == EnvironmentProblem.exit_code:
        return _not_run(name, ended.stderr)
    if ended.returncode not in (0, 6):
        raise SystemExit(f"{ended.stderr}\n{name} failed; mend it and run make quality again")
    record = find_run(name)
    result = references.compare(resolved_recipe(record.recipe_json), record)
    return {
        "metric": result.goal.metric,
        "reached": result.reached,
        "floor": result.goal.floor,
        "trivial": result.trivial,
        "linear": result.linear,
        "boosted": result.boosted,
        "shortfalls": result.shortfalls,
        "pushed": record.verdict.pushed,
        "seconds": record.seconds,
    }


def _not_run(name: str, said: str) -> dict[str, Any]:
    """Notes what this machine has not got, such as weights that cannot be downloaded."""
    figures = dict.fromkeys(("reached", "floor", "trivial", "linear", "boosted", "seconds"))
    why = said.strip().splitlines()[0].removeprefix("error: ")
    known = {"metric": references.GOALS[name].metric, "shortfalls": []}
    return {**figures, **known, "pushed": False, "not_run": why}


def _row(name: str, entry: dict[str, Any]) -> str:
    figures = [entry[key] for key in ("reached", "floor", "trivial", "linear", "boosted")]
    shown = ["" if figure is None else f"{figure:.4g}" for figure in figures]
    seconds = "" if entry["seconds"] is None else f"{entry['seconds']:.0f}"
    cells = [name, entry["metric"], *shown, _verdict(entry), seconds, entry["commit"]]
    return f"| {' | '.join(cells)} |"


def _verdict(entry: dict[str, Any]) -> str:
    if "not_run" in entry:
        return f"not run: {entry['not_run']}"
    return "; ".join(entry["shortfalls"]) or ("reached, pushed" if entry["pushed"] else "reached")


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
