"""`trainyard kubeflow compile --target vertex`: TFX's own PipelineJob for Vertex AI."""

from __future__ import annotations

import json
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from trainyard.errors import RecipeError
from trainyard.files import write_whole
from trainyard.pipeline.check import with_module_defaults
from trainyard.pipeline.kubeflow import reach, vertex_node
from trainyard.pipeline.recipe import located, parse_recipe
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

COMMAND = ("python", "-m", vertex_node.__name__)


def compile_recipe(recipe_file: Path, output: Path) -> list[str]:
    """Compiles a recipe for Vertex AI.

    Args:
        recipe_file: The recipe; its root is in a bucket, and so are its data.
        output: The JSON file to write.

    Returns:
        What is worth knowing, in sentences.

    Raises:
        RecipeError: It could not run there.
    """
    recipe = parse_recipe(recipe_file)
    try:
        job = _job(recipe)
    except RecipeError as error:
        raise located(error, recipe_file) from None
    write_whole(output, json.dumps(job, indent=1, sort_keys=True))
    return [
        f"wrote {output}: a PipelineJob, image {recipe.kubeflow.image}",
        "its parameters are fixed: for other values compile again",
    ]


def _job(recipe: Recipe) -> dict[str, Any]:
    name = reach.name(recipe.name, "name")
    recipe = _on_vertex(recipe)
    root = reach.root(recipe.kubeflow)
    reach.check(recipe)
    return _compiled(with_module_defaults(recipe), name, root)


def _on_vertex(recipe: Recipe) -> Recipe:
    """The recipe with what Vertex AI mounts: all buckets, and nothing else."""
    if not (recipe.kubeflow.root or "").startswith("gs://"):
        raise RecipeError(
            "Vertex AI keeps everything in a bucket",
            where="kubeflow.root",
            expected="gs://BUCKET/FOLDER",
            received=str(recipe.kubeflow.root),
        )
    if recipe.data.dataset is not None:
        raise RecipeError(
            "on Vertex AI there is no folder for data sets by name",
            where="data.dataset",
            received=recipe.data.dataset,
            hint=f"copy its file to a bucket: `path: {reach.BUCKETS}/BUCKET/FILE`",
        )
    if recipe.data.schema_file != "infer":
        raise RecipeError(
            "on Vertex AI a curated schema would stay on this machine",
            where="data.schema",
            expected="infer",
            received=recipe.data.schema_file,
        )
    volumes = {"gcs": str(reach.BUCKETS)}
    settings = recipe.kubeflow.model_copy(update={"volumes": volumes})
    return recipe.model_copy(update={"kubeflow": settings})


def _compiled(recipe: Recipe, name: str, root: PurePosixPath) -> dict[str, Any]:
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as runner

    from trainyard.pipeline.dag import build_pipeline

    sys.argv = sys.argv[:1]  # TFX hands the command line on to Beam, which would read ours
    serving = Path(recipe.push.destination or root / "serving" / recipe.name)
    workspace = Workspace(Path(root / recipe.name), serving)
    pipeline = build_pipeline(
        recipe, workspace, earlier_of=lambda _: [], baseline_of=_latest_blessed
    )
    pipeline.pipeline_info.pipeline_name = name
    pipeline.pipeline_info.pipeline_root = recipe.kubeflow.root
    config = runner.KubeflowV2DagRunnerConfig(
        default_image=recipe.kubeflow.image, default_commands=list(COMMAND)
    )
    job: dict[str, Any] = runner.KubeflowV2DagRunner(config).run(pipeline, write_out=False)
    return job


def _latest_blessed(trainer: Any, workspace: Workspace) -> Any:
    """TFX's own question: Vertex AI can answer no other."""
    from tfx.dsl.components.common.resolver import Resolver
    from tfx.dsl.input_resolution.strategies import latest_blessed_model_strategy
    from tfx.types import standard_artifacts
    from tfx.types.channel import Channel

    del trainer, workspace  # Vertex AI knows no candidate when it asks
    return Resolver(
        strategy_class=latest_blessed_model_strategy.LatestBlessedModelStrategy,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    )
