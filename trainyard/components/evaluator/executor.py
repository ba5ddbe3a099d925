"""The Evaluator's work: predict in batches, compute by slice, validate, bless. No Beam."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from tfx.components.evaluator import executor as stock
from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils
from tfx.types import standard_component_specs as names
from tfx.utils import proto_utils

from trainyard import progress
from trainyard.components.evaluator import (
    comparability,
    mistakes,
    plan,
    result_files,
    trivial_answers,
)
from trainyard.components.evaluator.omitted import Omitted
from trainyard.components.evaluator.omitted import write as write_omitted
from trainyard.components.evaluator.sliced_metrics import Answers
from trainyard.components.records import tfrecord_blocks
from trainyard.wording import counted

BLOCK_BYTES = 16 << 20  # a block has a share of nearly every slice, and each costs its calls

Artifacts = dict[str, list[Artifact]]
Properties = dict[str, Any]


class Executor(base_executor.BaseExecutor):  # type: ignore[misc]  # TFX is not typed
    """Writes what the stock executor writes, which takes over where something is missing here.

    Beside it lie the worst mistakes, for the report.

    It is made with a Beam executor's context, but is none: TFX builds a package
    of itself for Beam's workers whenever it makes one.
    """

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Evaluates the model, and the baseline in the same pass.

        Args:
            input_dict: As the stock Evaluator's.
            output_dict: As the stock Evaluator's.
            exec_properties: As the stock Evaluator's; `code` counts for the cache only.

        Raises:
            DataError: A label, a prediction or a slice's value cannot be used.
        """
        _judge_comparable(self._judge, input_dict, output_dict, exec_properties, converts=True)

    def _judge(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties
    ) -> None:
        try:
            planned = plan.make(input_dict, exec_properties)
        except plan.Unsupported as reason:
            logging.getLogger(__name__).warning(
                "the local engine has not got %s: the stock Evaluator takes over", reason
            )
            progress.report(f"through TFMA on Beam: {reason}")
            stock.Executor(self._context).Do(input_dict, output_dict, exec_properties)
            return
        self._log_startup(input_dict, output_dict, exec_properties)
        _evaluate(planned, input_dict, output_dict, exec_properties)


class BeamExecutor(stock.Executor):  # type: ignore[misc]  # TFX is not typed
    """The stock executor, which is told the trivial answers."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Evaluates the model on Beam.

        Args:
            input_dict: As the stock Evaluator's.
            output_dict: As the stock Evaluator's.
            exec_properties: As the stock Evaluator's.
        """
        _judge_comparable(super().Do, input_dict, output_dict, exec_properties, converts=False)


def _judge_comparable(
    judge: Callable[[Artifacts, Artifacts, Properties], None],
    inputs: Artifacts,
    outputs: Artifacts,
    properties: Properties,
    *,
    converts: bool,
) -> None:
    """Judges the model, beside the trivial answers and a baseline that can be compared.

    Args:
        judge: What an executor does.
        inputs: The Evaluator's.
        outputs: The Evaluator's.
        properties: The Evaluator's.
        converts: Whether the engine writes numbers as the type that the baseline reads.
    """
    properties = trivial_answers.filled(properties, inputs)
    inputs, omitted = _without_other(inputs, properties, converts)
    judge(inputs, outputs, properties)
    _note(omitted, inputs, outputs, properties)


def _without_other(
    inputs: Artifacts, properties: Properties, converts: bool
) -> tuple[Artifacts, Omitted | None]:
    """Takes the baseline out where the rows are not what it needs."""
    if not inputs.get(names.BASELINE_MODEL_KEY):
        return inputs, None
    reasons = comparability.reasons(inputs, properties)
    if not converts and not reasons:
        reasons = [*comparability.unconverted(inputs)]
    if not reasons:
        return inputs, None
    blocks = _has_changes(properties) and not properties.get("without_baseline")
    (baseline,) = inputs[names.BASELINE_MODEL_KEY]
    omitted = Omitted(model=baseline.uri, reasons=reasons, blocks=blocks)
    return {**inputs, names.BASELINE_MODEL_KEY: []}, omitted


def _has_changes(properties: Properties) -> bool:
    config = tfma.EvalConfig()
    proto_utils.json_to_proto(properties[names.EVAL_CONFIG_KEY], config)
    return any(
        bound.threshold.HasField("change_threshold")
        for spec in config.metrics_specs
        for metric in spec.metrics
        for bound in metric.per_slice_thresholds
    )


def _note(
    omitted: Omitted | None,
    inputs: Artifacts,
    outputs: Artifacts,
    properties: Properties,
) -> None:
    """Writes down why the baseline was left out, and takes the blessing back if it was needed."""
    if omitted is None:
        return
    folder = Path(artifact_utils.get_single_uri(outputs[names.EVALUATION_KEY]))
    write_omitted(folder, omitted)
    if omitted.blocks:
        blessing = artifact_utils.get_single_instance(outputs[names.BLESSING_KEY])
        result_files.bless(blessing, inputs, properties, False)


def _evaluate(
    planned: plan.Plan, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]
) -> None:
    folder = Path(artifact_utils.get_single_uri(outputs[names.EVALUATION_KEY]))
    worst: dict[str, mistakes.Worst] = defaultdict(mistakes.Worst)
    sliced = _measured(planned, worst)
    validation = result_files.write(
        folder,
        planned.config,
        planned.model_folders,
        sliced,
        {mistakes.file(head): each.found().model_dump_json() for head, each in worst.items()},
    )
    if _has_thresholds(planned.config):
        blessing = artifact_utils.get_single_instance(outputs[names.BLESSING_KEY])
        result_files.bless(blessing, inputs, properties, validation.validation_ok)


def _measured(planned: plan.Plan, worst: dict[str, mistakes.Worst]) -> result_files.Sliced:
    rows = 0
    for examples, answers in tfrecord_blocks.ahead(_answered(planned)):
        planned.metrics.add(answers, planned.slicer.slices(examples))
        for head, judged in answers[planned.candidate].items():
            if not isinstance(judged.predictions, dict):  # a text is not right or wrong
                worst[head].add(examples, judged.labels, judged.predictions)
        rows += len(examples)
        progress.report(f"{counted(rows, 'row')} judged")
    sliced = list(planned.metrics.results())
    progress.report(f"{counted(rows, 'row')} in {counted(len(sliced), 'slice')}")
    return sliced


def _answered(planned: plan.Plan) -> Iterator[tuple[list[bytes], Answers]]:
    for block in tfrecord_blocks.read(planned.files, BLOCK_BYTES):
        examples = block.records()
        yield (
            examples,
            {name: model.judged(examples) for name, model in planned.models.items()},
        )


def _has_thresholds(config: Any) -> bool:
    """Without any, nothing is blessed: they may have been forgotten."""
    return bool(
        tfma.metrics.metric_thresholds_from_metrics_specs(config.metrics_specs, eval_config=config)
    )
