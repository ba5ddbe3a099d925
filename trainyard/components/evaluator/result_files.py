"""TFMA's result files and the blessing, with stock's names and properties."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_model_analysis as tfma
from tfx.components.evaluator import constants
from tfx.types import Artifact
from tfx.types import standard_component_specs as names

from trainyard.components.evaluator import tfma_private as private
from trainyard.components.evaluator.slice_keys import SliceKey

Sliced = list[tuple[SliceKey, dict[Any, Any]]]


def write(
    folder: Path,
    config: Any,
    models: dict[str, str],
    sliced: Sliced,
    beside_it: Mapping[str, str],
) -> Any:
    """Writes an evaluation beside its place, then renames it.

    Args:
        folder: The artifact's folder.
        config: The `tfma.EvalConfig` with its defaults filled in.
        models: Folders of the models by name.
        sliced: Slices, their metrics and plots.
        beside_it: Files of our own, by name.

    Returns:
        The `ValidationResult`.
    """
    beside = folder.with_name(f".unfinished-{folder.name}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    text = private.serialized_run(config, models)
    (beside / "eval_config.json").write_text(f"{text}\n", encoding="utf-8")
    records = [private.records(key, metrics) for key, metrics in sliced]
    for kind in (tfma.METRICS_KEY, tfma.PLOTS_KEY, tfma.ATTRIBUTIONS_KEY):
        _write(beside / f"{kind}-00000-of-00001.tfrecord", [record[kind] for record in records])
    validation = private.validation(sliced, config)
    _write(beside / f"{tfma.VALIDATIONS_KEY}.tfrecord", [validation])
    for name, content in beside_it.items():
        (beside / name).write_text(content, encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)  # TFX makes it, empty
    beside.rename(folder)
    return validation


def _write(file: Path, protos: Iterable[Any]) -> None:
    with tf.io.TFRecordWriter(str(file)) as writer:
        for proto in protos:
            writer.write(proto.SerializeToString())


def bless(
    blessing: Artifact,
    inputs: Mapping[str, list[Artifact]],
    properties: Mapping[str, Any],
    blessed: bool,
) -> None:
    """Says on the artifact, and by a file in it, whether the model may be pushed.

    Args:
        blessing: The output artifact.
        inputs: The Evaluator's: `model` and perhaps `baseline_model`.
        properties: The Evaluator's.
        blessed: Whether all thresholds hold.
    """
    (model,) = inputs[names.MODEL_KEY]
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    for baseline in inputs.get(names.BASELINE_MODEL_KEY) or ():
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id
        )
    if "current_component_id" in properties:
        blessing.set_string_custom_property("component_id", properties["current_component_id"])
    file = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    value = constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE
    Path(blessing.uri).mkdir(parents=True, exist_ok=True)
    for other in (constants.BLESSED_FILE_NAME, constants.NOT_BLESSED_FILE_NAME):
        (Path(blessing.uri) / other).unlink(missing_ok=True)
    (Path(blessing.uri) / file).touch()
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
