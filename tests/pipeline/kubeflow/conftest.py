"""A compiled file without TFX: the graph is given, all else is the compiler's."""

import shutil
from pathlib import Path

import pytest

from tests.pipeline.kubeflow import server
from trainyard.pipeline.kubeflow import compiler, reach
from trainyard.pipeline.kubeflow.luggage import Luggage
from trainyard.pipeline.kubeflow.parameters import parameters
from trainyard.pipeline.recipe import parse_recipe

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
WINE = ROOT / "recipes" / "wine.yaml"
GRAPH = {"ExampleGen": (), "Transform": ("ExampleGen",), "Trainer": ("ExampleGen", "Transform")}


def wine(folder: Path, addition: str = "") -> Path:
    """A copy of a recipe, with lines at its end."""
    (folder / "schemas").mkdir(exist_ok=True)
    (folder / "recipes").mkdir(exist_ok=True)
    shutil.copy(ROOT / "schemas" / "wine.pbtxt", folder / "schemas")
    file = folder / "recipes" / "wine.yaml"
    file.write_text(WINE.read_text() + addition)
    return file


def written(recipe_file: Path, graph=GRAPH) -> str:
    """What the compiler writes for a graph."""
    recipe = parse_recipe(recipe_file)
    plan = compiler._Plan(
        reach.name(recipe.name, "name"),
        reach.root(recipe.kubeflow),
        Luggage.of(recipe_file),
        recipe.kubeflow,
        graph,
        parameters(recipe),
    )
    return compiler._written(plan)


@pytest.fixture
def pipeline(tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(written(wine(tmp_path, "schedule: {cron: '30 2 * * 1-5'}\n")))
    return file


@pytest.fixture
def kubeflow():
    return server.Kubeflow()


@pytest.fixture
def host(kubeflow):
    with server.serving(kubeflow) as address:
        yield address
