"""The one DAG: every wire of a recipe's pipeline, nothing else.

ExampleGen ─┬─> StatisticsGen ─┬─> SchemaGen ──────────┬─> ExampleValidator ─> Gate
│                  ├─> EarlierStatistics ──┤                        │ stops or
│                  └───────────────────────┘                        v passes
├───────────────────────> Transform ─> Trainer ─┬─> Baseline
│                              │                │      │
├──────────────────────────────│──────> Evaluator <────┘
│                              v           v
└───────────────────────────> Pusher <─ blessing
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tfx.components.schema_gen.component import SchemaGen
from tfx.components.trainer.component import Trainer
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration import metadata, pipeline
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

from trainyard import sources
from trainyard.components.baseline.strategy import ModelInService
from trainyard.components.curated_schema.component import CuratedSchema
from trainyard.components.example_gen.component import ExampleGen
from trainyard.components.example_validator.component import ExampleValidator
from trainyard.components.example_validator.previous import StatisticsOfLatestBlessed
from trainyard.components.gate.component import Gate
from trainyard.components.pusher.component import Pusher
from trainyard.pipeline import engines, evaluation
from trainyard.pipeline.beam.options import options
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Gate as GateSettings
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules.harness.config import TrainerConfig, TransformConfig


def model_in_service(trainer: Trainer, workspace: Workspace) -> Resolver:
    """What finds the model that a candidate is compared with.

    Args:
        trainer: What trains the candidate.
        workspace: The recipe's folders.

    Returns:
        A node that answers with a model, if there is one.
    """
    return Resolver(
        strategy_class=ModelInService,
        config={"destination": str(workspace.serving)},
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
        candidate=trainer.outputs["model"],
    )


def earlier_statistics(statistics: Any) -> list[Resolver]:
    """What finds the data that new ones are held against.

    Args:
        statistics: What makes the statistics of the new ones.

    Returns:
        One node, which answers with statistics.
    """
    return [
        Resolver(
            strategy_class=StatisticsOfLatestBlessed,
            statistics=Channel(type=standard_artifacts.ExampleStatistics),
            examples=Channel(type=standard_artifacts.Examples),
            model_blessing=Channel(type=standard_artifacts.ModelBlessing),
            candidate=statistics.outputs["statistics"],
        )
    ]


def build_pipeline(
    recipe: Recipe,
    workspace: Workspace,
    *,
    earlier_of: Callable[[Any], Sequence[Resolver]] = earlier_statistics,
    baseline_of: Callable[[Trainer, Workspace], Resolver] = model_in_service,
) -> pipeline.Pipeline:
    """Wires a recipe's components.

    Args:
        recipe: A resolved recipe.
        workspace: Where artifacts, metadata and pushed models go.
        earlier_of: As `earlier_statistics`; makes no node for a runner that cannot ask the
            metadata: there nothing drifts.
        baseline_of: As `model_in_service`; asks something else for such a runner.

    Returns:
        A TFX pipeline for any runner.
    """
    examples = ExampleGen(
        recipe.data,
        recipe.labels,
        features=recipe.features,
        code=sources.digest([ExampleGen.__module__]),
    )
    engine = engines.of(recipe)
    statistics = engine.statistics_gen(examples=examples.outputs["examples"])
    schema = _schema(recipe, statistics)
    earlier = [node.with_id("EarlierStatistics") for node in earlier_of(statistics)]
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        previous_statistics=earlier[0].outputs["statistics"] if earlier else None,
    )
    gate = Gate(
        examples=examples.outputs["examples"],
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        anomalies=validator.outputs["anomalies"],
        gate=_gate_settings(recipe),
        targets=recipe.heads.values(),
        weight=recipe.data.weight or "",
    )
    transform = engine.transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="trainyard.trainer_modules.harness.transform.preprocessing_fn",
        custom_config=TransformConfig.of(recipe).custom_config(),
    )
    transform.add_upstream_node(gate)
    trainer = Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        run_fn="trainyard.trainer_modules.harness.training.run_fn",
        custom_config=TrainerConfig.of(recipe).custom_config(workspace.checkpoints),
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
    )
    baseline = baseline_of(trainer, workspace).with_id("Baseline")
    evaluator = engine.evaluator(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        eval_config=evaluation.eval_config(recipe),
        example_splits=[recipe.data.split.judged],
        without_baseline=recipe.evaluation.without_baseline,
    )
    pusher = Pusher(
        examples=examples.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        model_blessing=evaluator.outputs["blessing"],
        destination=str(workspace.serving),
        runs=str(workspace.runs),
        rollout=recipe.rollout is not None,
        split=recipe.data.split.judged,
        contract_rows=recipe.push.contract_rows,
        infra_validation=recipe.push.infra_validation,
    )
    return pipeline.Pipeline(
        pipeline_name=recipe.name,
        pipeline_root=str(workspace.artifacts),
        metadata_connection_config=metadata.sqlite_metadata_connection_config(
            str(workspace.metadata)
        ),
        components=[
            examples,
            statistics,
            schema,
            *earlier,
            validator,
            gate,
            transform,
            trainer,
            baseline,
            evaluator,
            pusher,
        ],
        enable_cache=True,
        beam_pipeline_args=options(recipe.engine),
    )


def _gate_settings(recipe: Recipe) -> GateSettings:
    """What no model sees stops no run."""
    measures = recipe.data.measures  # of what the model sees
    ignored = [
        name
        for name, feature in recipe.features.items()
        if feature.kind == "ignored" and name not in measures
    ]
    columns = (*recipe.gate.ignore_columns, *ignored)
    return recipe.gate.model_copy(update={"ignore_columns": columns})


def _schema(recipe: Recipe, statistics: Any) -> CuratedSchema | SchemaGen:
    if recipe.data.schema_file != "infer":
        text = Path(recipe.data.schema_file).read_text(encoding="utf-8")
        return CuratedSchema(text).with_id("SchemaGen")
    return SchemaGen(statistics=statistics.outputs["statistics"], infer_feature_shape=True).with_id(
        "SchemaGen"
    )
