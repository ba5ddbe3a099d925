"""What the local executor leaves to the stock one, and what it refuses."""

from __future__ import annotations

import json
import logging
import sys
from collections import defaultdict
from typing import Any

import pytest
import tensorflow_model_analysis as tfma

from tests.components.evaluator.conftest import properties, recipe, serialize
from trainyard import progress
from trainyard.components.evaluator import plan
from trainyard.components.evaluator.executor import Executor
from trainyard.errors import DataError
from trainyard.pipeline import evaluation


def config(task: str = "binary", **section: Any) -> Any:
    return evaluation.eval_config(recipe(task, **({"metrics": [], "min_slice_size": 1} | section)))


def with_metric(class_name: str, **options: Any) -> Any:
    made = config()
    made.metrics_specs[0].metrics.add(class_name=class_name, config=json.dumps(options))
    return made


def changed(field: str, text: str) -> Any:
    from google.protobuf import text_format

    made = config()
    text_format.Merge(f"{field} {{ {text} }}", made)
    return made


def first_model(**fields: Any) -> Any:
    made = config()
    for name, value in fields.items():
        if isinstance(value, dict):
            getattr(made.model_specs[0], name).update(value)
        else:
            setattr(made.model_specs[0], name, value)
    return made


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (with_metric("SquaredPearsonCorrelation", name="squared"), "computation squared"),
        (with_metric("MeanAbsoluteError", name="mae"), "mae"),
        (with_metric("FalsePositives", name="f", top_k=2), "calibration_histogram"),
        (with_metric("MultiClassConfusionMatrixPlot", name="m"), "multi_class"),
        (changed("options", "compute_confidence_intervals {value: true}"), "confidence"),
        (changed("slicing_specs", 'feature_values {key: "word" value: "05"}'), "feature_values"),
        (changed("slicing_specs", 'feature_keys: "score_xf"'), "score_xf"),
        (changed("metrics_specs", 'query_key: "word"'), "query_key"),
        (changed("metrics_specs", "binarize {class_ids {values: 0}}"), "binarize"),
        (changed("cross_slicing_specs", "baseline_spec {}"), "cross_slicing"),
        (first_model(prediction_key="nothing"), "nothing"),
        (first_model(signature_name="nothing"), "nothing"),
        (first_model(label_key=""), "label_key"),
        (first_model(example_weight_key="score"), "no weights 'score'"),
        (first_model(example_weight_keys={"": "row_weight_xf"}), "example_weight_keys"),
        (first_model(label_key="", label_keys={"a": "label_xf"}), "one of each an output"),
    ],
)
def test_what_is_missing_is_named(material, asked, word):
    with pytest.raises(plan.Unsupported, match=word):
        plan.make(material("binary").inputs(baseline=False), properties(asked))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"eval_config": ""}, "eval_config"),
        ({"module_path": "some.extractors"}, "some.extractors"),
        ({"module_path": "", "eval_config": None}, "eval_config"),
    ],
)
def test_other_ways_to_ask_for_it_are_left_to_stock(material, changes, word):
    with pytest.raises(plan.Unsupported, match=word):
        plan.make(material("binary").inputs(baseline=False), properties(config()) | changes)


def test_small_slices_as_tfma_handles_them_are_left_to_stock(material):
    asked = properties(config(min_slice_size=5)) | {"module_path": ""}
    with pytest.raises(plan.Unsupported, match="min_slice_size"):
        plan.make(material("binary").inputs(baseline=False), asked)


def test_without_a_schema_stock_takes_over(material):
    inputs = material("binary").inputs(baseline=False) | {"schema": []}
    with pytest.raises(plan.Unsupported, match="schema"):
        plan.make(inputs, properties(config()))


def test_the_stock_executor_takes_over_and_the_log_says_so(material, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sys, "argv", sys.argv[:1])
    asked, told = with_metric("SquaredPearsonCorrelation", name="squared"), []
    with (
        caplog.at_level(logging.WARNING),
        progress.listening(lambda text, fraction: told.append(text)),
    ):
        judged = material("binary").judged(Executor, asked, tmp_path)
    (proto,) = tfma.load_metrics(str(judged.evaluation))
    assert "squared" in {pair.key.name for pair in proto.metric_keys_and_values}
    assert judged.blessing_file == ["BLESSED"]
    assert "stock Evaluator takes over" in caplog.text
    assert any("the computation squared" in text for text in told)


def test_a_label_that_training_did_not_see_stops_a_binary_evaluation(material, tmp_path):
    from pathlib import Path

    import tensorflow as tf

    inputs = material("binary").inputs(baseline=False)
    examples = inputs["examples"][0]
    examples.uri = str(tmp_path / "examples")
    folder = Path(examples.uri) / "Split-judged"
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "rows.gz"), "GZIP") as writer:
        writer.write(serialize({"score": [0.5]}))
    planned = plan.make(inputs, properties(config(metrics=["accuracy"])))
    from trainyard.components.evaluator import executor, mistakes

    with pytest.raises(DataError, match="label that cannot be used"):
        executor._measured(planned, defaultdict(mistakes.Worst))
    (folder / "rows.gz").write_bytes((folder / "rows.gz").read_bytes()[:-12])
    with pytest.raises(DataError, match="not a whole TFRecord"):
        executor._measured(planned, defaultdict(mistakes.Worst))
