"""Evaluator: stock's channels and parameters, our executor, and a parameter for the cache."""

from typing import Any

from tfx.dsl.components.base import base_beam_component, base_executor, executor_spec
from tfx.types import component_spec, standard_artifacts, standard_component_specs
from tfx.types.channel import BaseChannel, Channel
from tfx.utils import json_utils

from trainyard import sources
from trainyard.components.evaluator import beam_slices
from trainyard.components.evaluator.executor import Executor


class EvaluatorSpec(component_spec.ComponentSpec):  # type: ignore[misc]
    """Stock's channels and parameters, the digest of the code, and one of our own."""

    PARAMETERS = {
        **standard_component_specs.EvaluatorSpec.PARAMETERS,
        "code": component_spec.ExecutionParameter(type=str),
        "without_baseline": component_spec.ExecutionParameter(type=int, optional=True),
    }
    INPUTS = standard_component_specs.EvaluatorSpec.INPUTS
    OUTPUTS = standard_component_specs.EvaluatorSpec.OUTPUTS
    TYPE_ANNOTATION = standard_component_specs.EvaluatorSpec.TYPE_ANNOTATION


class Evaluator(base_beam_component.BaseBeamComponent):  # type: ignore[misc]
    """Judges a model by slices and thresholds, and blesses it.

    The stock executor takes over, and Beam's options count, where the
    configuration asks for something that the local one has not got.

    Args:
        examples: Raw examples.
        model: The candidate.
        baseline_model: The model to compare with; the channel may be empty.
        schema: Types of the raw features.
        eval_config: A `tfma.EvalConfig`.
        example_splits: The splits that are judged.
        executor: What does the work, ours or stock's.
        without_baseline: Whether a model is blessed although it cannot be compared with the
            baseline.
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        *,
        examples: BaseChannel,
        model: BaseChannel,
        baseline_model: BaseChannel,
        schema: BaseChannel,
        eval_config: Any,
        example_splits: list[str],
        executor: type[base_executor.BaseExecutor] = Executor,
        without_baseline: bool = False,
    ) -> None:
        super().__init__(
            EvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                schema=schema,
                eval_config=eval_config,
                example_splits=json_utils.dumps(example_splits),
                module_path=beam_slices.__name__,
                fairness_indicator_thresholds="null",
                without_baseline=int(without_baseline),
                code=sources.digest([__name__, *_metric_modules(eval_config)]),
                evaluation=Channel(type=standard_artifacts.ModelEvaluation),
                blessing=Channel(type=standard_artifacts.ModelBlessing),
            ),
            custom_executor_spec=executor_spec.BeamExecutorSpec(executor),
        )


def _metric_modules(eval_config: Any) -> set[str]:
    """The modules that TFMA loads by name."""
    return {metric.module for spec in eval_config.metrics_specs for metric in spec.metrics}
