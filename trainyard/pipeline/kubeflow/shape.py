"""The DAG's nodes and edges, without a look at the data."""

from __future__ import annotations

import sys
from pathlib import Path

from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Data, Recipe, TextFeature


def shape(recipe: Recipe, schema_file: str) -> dict[str, tuple[str, ...]]:
    """Compiles a recipe's DAG.

    Args:
        recipe: As its file has it.
        schema_file: Where its curated schema is on this machine, or `infer`.

    Returns:
        The nodes in the order in which they run, with those that each one waits for.
    """
    from tfx.dsl.compiler import compiler

    from trainyard.pipeline.dag import build_pipeline

    sys.argv = sys.argv[:1]  # TFX hands the command line on to Beam, which would read ours
    without = _without_files(recipe, schema_file)
    compiled = compiler.Compiler().compile(build_pipeline(without, Workspace.of(without)))
    nodes = [node.pipeline_node for node in compiled.nodes]
    return {node.node_info.id: tuple(sorted(node.upstream_nodes)) for node in nodes}


def _without_files(recipe: Recipe, schema_file: str) -> Recipe:
    """What the pods will read is not here; no edge hangs on it."""
    data = Data(path=str(Path(__file__).parent / "*.csv"), split=recipe.data.split)
    data = data.model_copy(update={"schema_file": schema_file})
    features = {n: f for n, f in recipe.features.items() if not isinstance(f, TextFeature)}
    trainer = recipe.trainer.model_copy(update={"params": {}})
    return recipe.model_copy(update={"data": data, "features": features, "trainer": trainer})
