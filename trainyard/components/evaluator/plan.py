"""Whether an evaluation can be computed here, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils
from tfx.types import standard_component_specs as names
from tfx.utils import path_utils, proto_utils

from trainyard.components.evaluator import beam_slices, comparability, judged_rows, vectorized
from trainyard.components.evaluator import tfma_private as private
from trainyard.components.evaluator.models import Model
from trainyard.components.evaluator.slice_keys import Slicer
from trainyard.components.evaluator.sliced_metrics import Computation, SlicedMetrics
from trainyard.trainer_modules.harness import names as answers

Artifacts = Mapping[str, list[Artifact]]

_PLAIN_MODEL = {
    "name",
    "signature_name",
    "preprocessing_function_names",
    "label_key",
    "label_keys",
    "prediction_key",
    "prediction_keys",
    "example_weight_key",
    "is_baseline",
}
_PLAIN_METRICS = {
    "metrics",
    "model_names",
    "output_names",
    "thresholds",
    "per_slice_thresholds",
    "example_weights",
}
_PLAIN_OPTIONS = {"min_slice_size"}


class Unsupported(Exception):  # noqa: N818  # no error: the stock executor takes over
    """Something that only the stock Evaluator computes."""


@dataclass(frozen=True)
class Plan:
    """What an evaluation needs.

    Attributes:
        config: The `tfma.EvalConfig` with its defaults filled in.
        model_folders: By name in the configuration; a single model's name is empty.
        models: The same, loaded.
        files: TFRecord files of the judged splits.
        slicer: Finds the slices.
        metrics: Computes them.
    """

    config: Any
    model_folders: dict[str, str]
    models: dict[str, Model]
    files: list[Path]
    slicer: Slicer
    metrics: SlicedMetrics

    @property
    def candidate(self) -> str:
        """The name of the model that is judged."""
        specs = self.config.model_specs
        return next(_name(spec, self.config) for spec in specs if not spec.is_baseline)


def make(inputs: Artifacts, properties: Mapping[str, Any]) -> Plan:
    """Reads what the stock Evaluator is given.

    Args:
        inputs: As the stock Evaluator's.
        properties: As the stock Evaluator's.

    Raises:
        Unsupported: Says what we have not got.
    """
    config = _config(inputs, properties)
    specs = {_name(spec, config): spec for spec in config.model_specs}
    folders = {name: _folder(spec, inputs) for name, spec in specs.items()}
    files = _files(inputs, properties)
    kinds = comparability.changed_types(inputs)
    models = {
        name: _loaded(folders[name], spec, kinds if spec.is_baseline else {})
        for name, spec in specs.items()
    }
    return Plan(
        config, folders, models, files, _slicer(config, inputs, models), _metrics(config, models)
    )


def _config(inputs: Artifacts, properties: Mapping[str, Any]) -> Any:
    if not properties.get(names.EVAL_CONFIG_KEY):
        raise Unsupported("an evaluation without eval_config")
    config = tfma.EvalConfig()
    proto_utils.json_to_proto(properties[names.EVAL_CONFIG_KEY], config)
    config = tfma.utils.update_eval_config_with_defaults(
        config, has_baseline=bool(inputs.get(names.BASELINE_MODEL_KEY)), rubber_stamp=True
    )
    tfma.utils.verify_eval_config(config)
    _check_options(config)
    _check_hooks(config, properties)
    return config


def _check_options(config: Any) -> None:
    if config.cross_slicing_specs:
        raise Unsupported("slices compared with slices (cross_slicing_specs)")
    for spec in config.slicing_specs:
        _check_fields(spec, {"feature_keys"})
    for spec in config.model_specs:
        _check_fields(spec, _PLAIN_MODEL)
        _check_keys(spec)
        if len(spec.preprocessing_function_names) != 1:
            raise Unsupported("more or less than one preprocessing function")
    for spec in config.metrics_specs:
        _check_fields(spec, _PLAIN_METRICS)
    _check_fields(config.options, _PLAIN_OPTIONS)


def _check_keys(spec: Any) -> None:
    """TFMA looks outputs up by their names, and in `prediction_keys` not at all."""
    one = spec.label_key and (spec.prediction_key or spec.signature_name == answers.EVALUATION)
    several = spec.label_keys and all(spec.prediction_keys.get(n) == n for n in spec.label_keys)
    if not (one or several):
        raise Unsupported("a model without label_key and prediction_key, or one of each an output")


def _check_fields(message: Any, known: set[str]) -> None:
    for descriptor, value in message.ListFields():
        if descriptor.name not in known:
            raise Unsupported(f"{message.DESCRIPTOR.name}.{descriptor.name} = {value!r}"[:200])


def _check_hooks(config: Any, properties: Mapping[str, Any]) -> None:
    module = properties.get(names.MODULE_PATH_KEY) or properties.get(names.MODULE_FILE_KEY)
    if module not in (None, "", beam_slices.__name__):
        raise Unsupported(f"extractors or models of its own ({module})")
    if not module and config.options.min_slice_size.value > 1:
        raise Unsupported("TFMA's own handling of slices below min_slice_size")


def _name(spec: Any, config: Any) -> str:
    return spec.name if len(config.model_specs) > 1 else ""


def _folder(spec: Any, inputs: Artifacts) -> str:
    key = names.BASELINE_MODEL_KEY if spec.is_baseline else names.MODEL_KEY
    if not inputs.get(key):
        raise Unsupported("predictions that are in the data")
    model = artifact_utils.get_single_instance(inputs[key])
    return str(path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model)))


def _loaded(folder: str, spec: Any, kinds: Mapping[str, str]) -> Model:
    try:
        return Model(Path(folder), spec, kinds)
    except LookupError as error:
        raise Unsupported(f"a model with other signatures ({error})") from None


def _files(inputs: Artifacts, properties: Mapping[str, Any]) -> list[Path]:
    examples = inputs[names.EXAMPLES_KEY]
    payload = examples_utils.get_payload_format(examples[0])
    if payload != example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE:
        raise Unsupported("examples that are not tf.Examples")
    return judged_rows.files(inputs, properties)


def _slicer(config: Any, inputs: Artifacts, models: Mapping[str, Model]) -> Slicer:
    columns = [list(spec.feature_keys) for spec in config.slicing_specs] or [[]]
    made = {feature for model in models.values() for feature in model.features}
    if hidden := sorted({column for spec in columns for column in spec} & made):
        raise Unsupported(f"slices by transformed features ({', '.join(hidden)})")
    return Slicer(columns, _schema(inputs))


def _schema(inputs: Artifacts) -> schema_pb2.Schema:
    if not inputs.get(names.SCHEMA_KEY):
        raise Unsupported("an evaluation without a schema")
    return judged_rows.schema(inputs)


def _metrics(config: Any, models: Mapping[str, Model]) -> SlicedMetrics:
    asked = private.computations(config)
    if asked.cross_slice_computations or asked.ci_derived_computations:
        raise Unsupported("metrics over several slices, or with confidence intervals")
    baseline = next((spec.name for spec in config.model_specs if spec.is_baseline), None)
    return SlicedMetrics(
        [_computation(part, models) for part in asked.non_derived_computations],
        asked.derived_computations,
        baseline,
        config.options.min_slice_size.value,
    )


def _computation(part: Any, models: Mapping[str, Model]) -> Computation:
    name, output = part.keys[0].model_name, part.keys[0].output_name
    outputs = models[name].outputs if name in models else {}
    known = output in outputs and private.only_standard_inputs(part)
    found = vectorized.of(part.combiner, outputs[output] or 0) if known else None
    if found is None:
        what = part.keys[0].name.split(":")[0].strip("_")
        raise Unsupported(f"the computation {what} ({type(part.combiner).__name__})")
    return Computation(name, output, found)
