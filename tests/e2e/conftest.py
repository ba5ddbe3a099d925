"""The real DAG, run in this process: TensorFlow is imported once, each recipe runs once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from trainyard.pipeline import cli
from trainyard.pipeline.recipe import resolved_recipe
from trainyard.pipeline.records import RunRecord, find_run
from trainyard.recipe_schema import Recipe

ROOT = Path(__file__).parents[2]
RECIPES = sorted(file.stem for file in (ROOT / "recipes").glob("*.yaml"))


def pytest_collection_modifyitems(items):
    for item in items:
        if "e2e" in Path(item.fspath).parts:
            item.add_marker(pytest.mark.e2e)


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Ran:
    """A recipe's run."""

    recipe: Recipe
    record: RunRecord
    ended: Ended


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """One output folder for the session: later tests find earlier runs."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINYARD_HOME", str(folder))
        yield folder


@pytest.fixture
def trainyard(capfd) -> Callable[..., Ended]:
    """The command line in this process."""

    def call(*arguments: object) -> Ended:
        capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["trainyard", *map(str, arguments)])
            code = cli.answer()
        out, err = capfd.readouterr()
        return Ended(code, out, err)

    return call


def in_own_process(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """The command line as a user starts it."""
    command = [sys.executable, "-m", "trainyard", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


_RAN: dict[str, Ran] = {}


@pytest.fixture
def ran(trainyard) -> Callable[[str], Ran]:
    """Runs one of the project's recipes, once a session."""

    def run(name: str) -> Ran:
        if name not in _RAN:
            ended = trainyard("run", ROOT / "recipes" / f"{name}.yaml")
            if ended.code not in (0, 6):
                pytest.fail(ended.err)
            record = find_run(name)
            _RAN[name] = Ran(resolved_recipe(record.recipe_json), record, ended)
        return _RAN[name]

    return run
