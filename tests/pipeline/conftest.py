"""A real TFMA evaluation of a data frame, without a model and without a DAG."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainyard.pipeline import evaluation
from trainyard.recipe_schema import Recipe

Evaluate = Callable[..., Path]


def evaluate_frame(
    recipe: Recipe, frame: Any, folder: Path, *, with_baseline: bool = False, pieces: int = 1
) -> Path:
    """Evaluates predictions that are there already.

    Args:
        recipe: Metrics, slices and thresholds.
        frame: Columns `label_xf`, `predictions`, with a baseline `baseline_predictions`, and
            those of the slices.
        folder: The evaluation goes to `folder/evaluation`, the blessing to `folder/blessing`.
        with_baseline: Whether there is an earlier model.
        pieces: Into how many batches the rows are cut.

    Returns:
        The folder.
    """
    import apache_beam as beam
    import pyarrow as pa
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.extractors.materialized_predictions_extractor import (
        MaterializedPredictionsExtractor,
    )
    from tfx_bsl.arrow.table_util import CanonicalizeRecordBatch

    from trainyard.components.evaluator.beam_slices import with_slices

    config = tfma.utils.update_eval_config_with_defaults(
        evaluation.eval_config(recipe), has_baseline=with_baseline, rubber_stamp=True
    )
    tfma.utils.verify_eval_config(config)
    for spec in config.model_specs:
        spec.prediction_key = "baseline_predictions" if spec.is_baseline else "predictions"
    extractors = [
        tfma.extractors.FeaturesExtractor(config),
        tfma.extractors.LabelsExtractor(config),
        tfma.extractors.ExampleWeightsExtractor(config),
        MaterializedPredictionsExtractor(config),
        tfma.extractors.UnbatchExtractor(),
        tfma.extractors.SliceKeyExtractor(eval_config=config),
    ]
    extractors = with_slices(extractors, config)
    size = -(-len(frame) // pieces)
    batches = [
        CanonicalizeRecordBatch(pa.RecordBatch.from_pandas(frame[start : start + size]))
        for start in range(0, len(frame), size)
    ]
    written = folder / "evaluation"
    options = beam.options.pipeline_options.PipelineOptions(["--runner=DirectRunner"])
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | beam.Create(batches)
            | tfma.BatchedInputsToExtracts()
            | tfma.ExtractAndEvaluate(
                extractors=extractors,
                evaluators=[tfma.evaluators.MetricsPlotsAndValidationsEvaluator(config)],
            )
            | tfma.WriteResults(writers=tfma.default_writers(str(written), eval_config=config))
        )
    (folder / "blessing").mkdir()
    if tfma.load_validation_result(str(written)).validation_ok:
        (folder / "blessing" / "BLESSED").touch()
    return folder


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    sys.argv = sys.argv[:1]  # Beam would read pytest's own options
    return evaluate_frame


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
