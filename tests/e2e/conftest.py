"""The real DAG, run in this process: TensorFlow is imported once, each recipe runs once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import references
from trainyard.errors import EnvironmentProblem
from trainyard.pipeline import cli
from trainyard.pipeline.recipe import resolved_recipe
from trainyard.pipeline.records import RunRecord, find_run
from trainyard.recipe_schema import Recipe

ROOT = Path(__file__).parents[2]
RECIPES = sorted(file.stem for file in (ROOT / "recipes").glob("*.yaml"))
# A minute and more each, or what needs a network; `make quality` runs them.
SLOW = {
    *("mnist_cnn", "mnist_resnet", "mnist_pretrain", "mnist_few_shot"),
    *("ants_bees_large", "ants_bees_transfer", "digit_pairs", "shakespeare", "english_french"),
}
RUN = sorted(references.GOALS.keys() - SLOW)
ON_BOTH_ENGINES = ["adult_income", "taxi_tips"]


def pytest_collection_modifyitems(items):
    for item in items:
        if "e2e" in Path(item.fspath).parts:
            item.add_marker(pytest.mark.e2e)


def before(name: str) -> list[str]:
    """The recipes that have to be run before one that starts from what they push."""
    text = (ROOT / "recipes" / f"{name}.yaml").read_text()
    return re.findall(r"weights: \{recipe: (\w+)", text)


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


def variant(source: Path, folder: Path, name: str, addition: str = "") -> Path:
    """A copy of one of the project's recipes elsewhere.

    Args:
        source: The recipe.
        folder: Where the copy goes.
        name: What the copy is called, in it too.
        addition: Lines at its end.
    """
    text = source.read_text().replace(f"name: {source.stem}\n", f"name: {name}\n", 1)
    file = folder / f"{name}.yaml"
    file.write_text(text.replace("../schemas", str(ROOT / "schemas")) + addition)
    return file


_RAN: dict[tuple[str, str], Ran] = {}


@pytest.fixture
def ran(trainyard, tmp_path) -> Callable[..., Ran]:
    """Runs one of the project's recipes, once a session and engine; with beam after local."""

    def run(name: str, engine: str = "local") -> Ran:
        if (name, engine) not in _RAN:
            file = ROOT / "recipes" / f"{name}.yaml"
            for first in before(name):
                run(first)
            if engine != "local":
                run(name)
                file = variant(file, tmp_path, name, f"engine: {{name: {engine}}}\n")
            adopt = [] if engine == "local" else ["--adopt"]  # a copy in the place of the file
            ended = trainyard("run", file, *adopt)
            if adopt:
                assert trainyard("check", ROOT / "recipes" / f"{name}.yaml", *adopt).code == 0
            if ended.code == EnvironmentProblem.exit_code and "downloaded" in ended.err:
                pytest.skip("no network, and the ImageNet weights are not in Keras's cache")
            if ended.code not in (0, 6):
                pytest.fail(ended.err)
            record = find_run(name)
            _RAN[name, engine] = Ran(resolved_recipe(record.recipe_json), record, ended)
        return _RAN[name, engine]

    return run
