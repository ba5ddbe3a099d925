"""Stock TFX on the taxi data, as a user of TFX 1.16 runs it, with a clock on every node.

The component chain is that of `taxi_pipeline_native_keras.py` in TFX's examples,
with three metrics and slices by hour, run by TFX's LocalDagRunner and Beam's direct
runner. Statistics in Transform are off and modules are handed over by dotted path,
both in stock's favour; the example's own Beam option (several processes) is left
out, for it is slower on one machine.

The only addition is the clock: `Launcher.launch`, which LocalDagRunner calls once a
node, is wrapped, so a node's time is its driver, executor and publisher, as in
Trainyard's own records.

    python -m benchmarks.stock_pipeline RECIPE DATA_FOLDER HOME TIMES
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from tfx import v1 as tfx
from tfx.orchestration.portable import launcher

from benchmarks.stock_taxi import LABEL, RECIPE
from trainyard.pipeline.recipe import load_recipe
from trainyard.recipe_schema import Recipe


def main(recipe_file: str, data: str, home: str, times: str) -> None:
    """Runs the pipeline once and writes seconds per node, in order, as JSON."""
    sys.argv = sys.argv[:1]  # TFX hands the command line on to Beam.
    pipeline = build_pipeline(load_recipe(recipe_file), Path(data), Path(home))
    seconds = clock_nodes()
    tfx.orchestration.LocalDagRunner().run(pipeline)
    Path(times).write_text(json.dumps(seconds), encoding="utf-8")


def clock_nodes() -> dict[str, float]:
    """Wraps the launcher; returns what will hold the seconds of each node."""
    seconds: dict[str, float] = {}
    launch = launcher.Launcher.launch

    def clocked(self: launcher.Launcher) -> Any:
        started = time.monotonic()
        try:
            return launch(self)
        finally:
            seconds[self._pipeline_node.node_info.id] = time.monotonic() - started

    launcher.Launcher.launch = clocked
    return seconds


def build_pipeline(recipe: Recipe, data: Path, home: Path) -> tfx.dsl.Pipeline:
    """Wires the example's chain.

    Args:
        recipe: For steps, and what the module reads.
        data: The folder with the CSV file.
        home: Where everything is written.
    """
    example_gen = tfx.components.CsvExampleGen(input_base=str(data))
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(
        statistics=statistics_gen.outputs["statistics"], infer_feature_shape=True
    )
    example_validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )
    transform = tfx.components.Transform(
        examples=example_gen.outputs["examples"],
        schema=schema_gen.outputs["schema"],
        preprocessing_fn="benchmarks.stock_taxi.preprocessing_fn",
        custom_config={RECIPE: recipe.model_dump_json(by_alias=True)},
        disable_statistics=True,
    )
    trainer = tfx.components.Trainer(
        run_fn="benchmarks.stock_taxi.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema_gen.outputs["schema"],
        custom_config={RECIPE: recipe.model_dump_json(by_alias=True)},
        train_args=tfx.proto.TrainArgs(num_steps=recipe.trainer.steps),
        eval_args=tfx.proto.EvalArgs(),
    )
    model_resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model_resolver")
    evaluator = tfx.components.Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=model_resolver.outputs["model"],
        eval_config=eval_config(),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(home / "serving"))
        ),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="stock_taxi",
        pipeline_root=str(home / "artifacts"),
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            example_validator,
            transform,
            trainer,
            model_resolver,
            evaluator,
            pusher,
        ],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(home / "metadata.sqlite")
        ),
        beam_pipeline_args=["--runner=DirectRunner"],
    )


def eval_config() -> tfma.EvalConfig:
    """The example's thresholds, with area under the curve and slices by hour added."""
    threshold = tfma.MetricThreshold(
        value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.6}),
        change_threshold=tfma.GenericChangeThreshold(
            direction=tfma.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -1e-10}
        ),
    )
    metrics = [
        tfma.MetricConfig(class_name="ExampleCount"),
        tfma.MetricConfig(
            class_name="BinaryAccuracy", config='{"name": "accuracy"}', threshold=threshold
        ),
        tfma.MetricConfig(class_name="AUC", config='{"name": "auc"}'),
    ]
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                signature_name="serving_default",
                label_key=LABEL,
                preprocessing_function_names=["transform_features"],
            )
        ],
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=["trip_start_hour"])],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
