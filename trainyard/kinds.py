"""What a raw column holds, beyond the three types of a tf.Example.

ExampleGen decides it over the whole input and writes it beside the examples;
Transform hands the file on, and a model's description keeps what concerns it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainyard.files import write_whole
from trainyard.raw_values import as_flag, canonical_text

if TYPE_CHECKING:
    import tensorflow_transform as tft

FILE = "columns.json"

Kind = Literal[
    "missing", "boolean", "integer", "float", "date", "time", "timestamp", "text", "bytes"
]
"""Dates, times and timestamps are ISO 8601 text in the examples, booleans 0 and 1."""

RawType = Literal["int64", "float32", "string"]
"""The types of a tf.Example's values."""

_OF_TYPES: dict[str, Kind] = {"int64": "integer", "float32": "float", "string": "text"}


def write(folder: Path, kinds: Mapping[str, Kind]) -> None:
    """Notes the columns of an Examples artifact.

    Args:
        folder: The artifact's.
        kinds: By name.
    """
    write_whole(folder / FILE, json.dumps(kinds, indent=1))


def hand_on(examples: Path, transform_graph: Path) -> None:
    """Copies the note of an Examples artifact, if it has one, to the Trainer's input.

    Args:
        examples: The artifact's folder.
        transform_graph: The folder of Transform's graph.
    """
    if (examples / FILE).exists():
        shutil.copyfile(examples / FILE, transform_graph / FILE)


def read(folder: Path) -> dict[str, Kind]:
    """Reads what `write` wrote; nothing if an earlier Trainyard made the artifact.

    Args:
        folder: An Examples artifact's, or that of a transform graph.
    """
    file = folder / FILE
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def of(transform_output: tft.TFTransformOutput) -> dict[str, Kind]:
    """Returns the kind of each raw column; where nobody noted it, that of its type.

    Args:
        transform_output: What Transform wrote.
    """
    noted = read(Path(transform_output.transform_savedmodel_dir).parent)
    types = {n: entry.dtype.name for n, entry in transform_output.raw_feature_spec().items()}
    return {name: noted.get(name, _OF_TYPES[kind]) for name, kind in types.items()}


def class_name(value: Any, kind: Kind | None) -> str:
    """Names the class of a raw label: `True`, `2`, `0.5`, `fraud`.

    Args:
        value: As tf.Examples have it.
        kind: What the label's column holds; None if nobody knows.
    """
    is_flag = kind == "boolean" and not isinstance(value, str | bytes)
    return str(bool(value)) if is_flag else canonical_text(value)


def label_of(name: str, kind: Kind | None) -> bool | int | float | str:
    """Returns the label that a class stands for, in the label's own type.

    Args:
        name: As `class_name` gives it.
        kind: What the label's column holds; None if nobody knows.
    """
    if kind == "boolean":
        return bool(as_flag(name))
    if kind == "integer":
        return int(name)
    return float(name) if kind == "float" else name
