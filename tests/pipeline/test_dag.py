"""The wires that a runner may choose; what runs through them is tested end to end."""

from pathlib import Path

from trainyard.pipeline.dag import build_pipeline
from trainyard.pipeline.recipe import load_recipe
from trainyard.pipeline.workspace import Workspace

WINE = Path(__file__).parents[2] / "recipes" / "wine.yaml"


def nodes(tmp_path, **options):
    workspace = Workspace(tmp_path / "wine", tmp_path / "serving")
    made = build_pipeline(load_recipe(WINE), workspace, **options)
    return {node.id: node for node in made.components}


def test_data_are_held_against_earlier_ones(tmp_path):
    found = nodes(tmp_path)
    assert "EarlierStatistics" in {node.id for node in found["ExampleValidator"].upstream_nodes}


def test_a_runner_that_cannot_ask_the_metadata_does_without(tmp_path):
    found = nodes(tmp_path, earlier_of=lambda _: [])
    assert "EarlierStatistics" not in found
    assert "previous_statistics" not in found["ExampleValidator"].inputs
