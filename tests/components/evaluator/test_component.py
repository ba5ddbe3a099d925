"""The node looks like stock's, and its cache key knows the code."""

from __future__ import annotations

from pathlib import Path

from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.channel import Channel

from tests.components.evaluator.conftest import BEAM_SLICES, recipe
from trainyard import sources
from trainyard.components.evaluator import component
from trainyard.components.records import tfrecord_blocks
from trainyard.pipeline import evaluation


def node() -> component.Evaluator:
    return component.Evaluator(
        examples=Channel(type=standard_artifacts.Examples),
        model=Channel(type=standard_artifacts.Model),
        baseline_model=Channel(type=standard_artifacts.Model),
        schema=Channel(type=standard_artifacts.Schema),
        eval_config=evaluation.eval_config(recipe("binary", metrics=["auc"])),
        example_splits=["eval"],
    )


def test_inputs_outputs_and_parameters_are_stocks():
    made = node()
    stock = standard_component_specs.EvaluatorSpec
    assert made.id == "Evaluator"
    assert set(made.outputs) == set(stock.OUTPUTS)
    assert set(made.inputs) == set(stock.INPUTS)
    assert made.exec_properties["module_path"] == BEAM_SLICES
    assert made.exec_properties["example_splits"] == '["eval"]'


def test_a_change_of_code_is_a_change_of_a_parameter():
    counted = sources.parts(node().exec_properties["code"])
    files = {Path(module.__file__).name for module in (component, tfrecord_blocks)}
    assert files <= {Path(name).name for name in counted}
