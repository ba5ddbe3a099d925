"""Whether the model in service can be judged on the rows that its challenger is judged on.

A model that misses an input, or whose classes are spelled otherwise now, answers all the
same, only worse than it did: then it is not compared with, and the reasons are written down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import Artifact
from tfx.types import standard_component_specs as names
from tfx.utils import path_utils

from trainyard.components.evaluator import judged_rows
from trainyard.components.records import tfrecord_blocks
from trainyard.kinds import Kind
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description, HeadDescription

Array = NDArray[Any]
Artifacts = Mapping[str, list[Artifact]]

_RAW_TYPES = {schema_pb2.INT: "int64", schema_pb2.FLOAT: "float32", schema_pb2.BYTES: "string"}
_NUMBERS = {"int64", "float32"}
_OF_KINDS: Mapping[Kind, str] = {"integer": "int64", "boolean": "int64", "float": "float32"}


def reasons(inputs: Artifacts, properties: Mapping[str, Any]) -> list[str]:
    """Says what keeps the baseline from being judged as it was meant to be asked.

    Args:
        inputs: The Evaluator's.
        properties: The Evaluator's.

    Returns:
        Empty if nothing does, or a model does not say what it needs.
    """
    baseline, candidate = (_description(inputs, k) for k in (names.BASELINE_MODEL_KEY, "model"))
    if baseline is None or candidate is None:
        return []
    types = _types(inputs)
    found = [*_of_heads(baseline, candidate), *_of_types(baseline, types)]
    if found:
        return found
    values = {
        name: types[name]
        for name, kind in _read_types(baseline).items()
        if kind != types[name] or name not in _read_types(candidate)
    }
    return [*_of_values(values, baseline, inputs, properties)] if values else []


def changed_types(inputs: Artifacts) -> dict[str, str]:
    """The inputs that the baseline reads as another type of number than the rows have, and its."""
    baseline = _description(inputs, names.BASELINE_MODEL_KEY)
    if baseline is None:
        return {}
    types, asked = _types(inputs), _read_types(baseline).items()
    return {name: kind for name, kind in asked if types.get(name) in _NUMBERS - {kind}}


def unconverted(inputs: Artifacts) -> Iterator[str]:
    """Says what keeps the baseline from being asked by an engine that does not convert numbers.

    Args:
        inputs: The Evaluator's.

    Yields:
        One sentence that names all inputs and what to do, if there are any.
    """
    if kinds := changed_types(inputs):
        types = _types(inputs)
        columns = (f"{name!r} as {kind} (now {types[name]})" for name, kind in kinds.items())
        yield (
            f"it reads {', '.join(columns)}, and the Evaluator of `engine: beam` does not convert "
            "numbers: run once with `engine: local`, which does, or let `data.schema` say the "
            "earlier type"
        )


def _read_types(model: Description) -> dict[str, str]:
    """The type in which a model reads each input, and each label if it says so."""
    labels = {head.label: model.kinds.get(head.label) for head in model.heads.values()}
    known = {name: kind for name, kind in labels.items() if kind not in (None, "missing")}
    return {n: _OF_KINDS.get(kind, "string") for n, kind in known.items() if kind} | model.inputs


def _types(inputs: Artifacts) -> dict[str, str]:
    features = judged_rows.schema(inputs).feature
    return {each.name: _RAW_TYPES[each.type] for each in features if each.type in _RAW_TYPES}


def _description(inputs: Artifacts, key: str) -> Description | None:
    for model in inputs.get(key) or ():
        folder = Path(
            path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
        )
        if (folder / description.FILE).is_file():
            return description.read(folder)
    return None


def _of_heads(baseline: Description, candidate: Description) -> Iterator[str]:
    for name, now in candidate.heads.items():
        before = baseline.heads.get(name)
        if before is None:
            yield f"it has no head {name!r}"
        elif before.label != now.label:
            yield f"it predicts {before.label!r}, not {now.label!r}"
        elif (before.dtype, now.dtype) == ("float32", "float64"):
            yield f"it knows {now.label!r} in 32 bits, which loses digits that tell rows apart"
        elif _are_other_classes(before, now):
            yield (
                f"its classes of {now.label!r} are {_listed(before.class_names)}, "
                f"those of the data now {_listed(now.class_names)}"
            )


def _are_other_classes(before: HeadDescription, now: HeadDescription) -> bool:
    """Classes that are only added or only dropped are the same question, with more answers.

    Of two classes the order counts: precision and recall are those of the last.
    """
    if now.task == "binary":
        return before.class_names != now.class_names
    gone = {*before.class_names} - {*now.class_names}
    new = {*now.class_names} - {*before.class_names}
    return bool(gone and new)


def _listed(texts: Sequence[str], most: int = 5) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(map(repr, texts[:most])) + more


def _of_types(baseline: Description, types: Mapping[str, str]) -> Iterator[str]:
    for name, kind in _read_types(baseline).items():
        if name not in types:
            yield f"it needs {name!r}, which the data no longer have"
        elif kind != types[name] and not {kind, types[name]} <= _NUMBERS:
            yield f"it reads {name!r} as {kind}, and the data now have {types[name]}"


def _of_values(
    asked: Mapping[str, str],
    baseline: Description,
    inputs: Artifacts,
    properties: Mapping[str, Any],
) -> Iterator[str]:
    """Looks at the judged rows' values of columns that may be empty or of another type."""
    empty, narrowed, read = {*asked}, dict[str, Any](), _read_types(baseline)
    features = {name: tf.io.VarLenFeature(tf.as_dtype(kind)) for name, kind in asked.items()}
    for block in tfrecord_blocks.read(judged_rows.files(inputs, properties)):
        parsed = tf.io.parse_example(tf.constant(block.records()), features)
        for name, column in parsed.items():
            values = column.values.numpy()
            empty -= {name} if len(values) else set()
            lost = values[_is_lost(values, read[name])]
            if len(lost):
                narrowed.setdefault(name, lost[0])
    for name in sorted(empty):
        yield f"it needs {name!r}, which has no value in the rows that are judged"
    for name, value in sorted(narrowed.items()):
        yield f"it reads {name!r} as {read[name]}, and the data now have {value}"


def _is_lost(values: Array, kind: str) -> Array:
    """Which values are not the same as another type."""
    if kind == "string" or values.dtype == kind:
        return np.zeros(len(values), bool)
    with np.errstate(invalid="ignore"):
        again = values.astype(kind).astype(values.dtype)
    lost: Array = (again != values) & ~np.isnan(values)
    return lost


def converted(examples: Sequence[bytes], kinds: Mapping[str, str]) -> list[bytes]:
    """Writes numbers as another type.

    Args:
        examples: Serialized tf.Examples.
        kinds: `int64` or `float32` by column, such that no value is lost.
    """
    return [_converted(example, kinds) for example in examples] if kinds else [*examples]


def _converted(serialized: bytes, kinds: Mapping[str, str]) -> bytes:
    example = tf.train.Example.FromString(serialized)
    features = example.features.feature
    for name, kind in kinds.items():
        if name not in features:
            continue
        one = features[name]
        values = [v for v in (*one.int64_list.value, *one.float_list.value) if v == v]
        one.Clear()
        if kind == "int64":
            one.int64_list.value.extend(map(int, values))
        else:
            one.float_list.value.extend(values)
    return bytes(example.SerializeToString())
