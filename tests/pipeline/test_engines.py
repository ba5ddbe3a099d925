"""Which executor the Evaluator has under each engine, and that its cache key knows our code."""

import pytest
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

from tests.components.evaluator.conftest import BEAM_SLICES, recipe
from trainyard import sources
from trainyard.components.evaluator.executor import BeamExecutor, Executor
from trainyard.pipeline import engines, evaluation

EXECUTORS = {"local": Executor, "beam": BeamExecutor}


@pytest.mark.parametrize("name", EXECUTORS)
def test_the_evaluator_of_an_engine(name):
    asked = recipe("binary", metrics=["auc"])
    chosen = asked.model_copy(update={"engine": asked.engine.model_copy(update={"name": name})})
    node = engines.of(chosen).evaluator(
        examples=Channel(type=standard_artifacts.Examples),
        model=Channel(type=standard_artifacts.Model),
        baseline_model=Channel(type=standard_artifacts.Model),
        schema=Channel(type=standard_artifacts.Schema),
        eval_config=evaluation.eval_config(asked),
        example_splits=["eval"],
    )
    assert node.id == "Evaluator"
    assert node.executor_spec.executor_class is EXECUTORS[name]
    assert node.exec_properties["module_path"] == BEAM_SLICES
    counted = sources.parts(node.exec_properties["code"])
    assert {"trainyard/components/evaluator/exact_metrics.py", "keras"} <= counted.keys()
    assert "trainyard/pipeline/evaluation.py" not in counted
