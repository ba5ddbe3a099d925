"""The rows that an Evaluator is given to judge by, and their schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import Artifact, artifact_utils
from tfx.types import standard_component_specs as names
from tfx.utils import io_utils, json_utils

from trainyard.components.records import tfrecord_blocks

Artifacts = Mapping[str, list[Artifact]]


def files(inputs: Artifacts, properties: Mapping[str, Any]) -> list[Path]:
    """Returns the TFRecord files of the judged splits.

    Args:
        inputs: The Evaluator's.
        properties: The Evaluator's.
    """
    splits = json_utils.loads(properties.get(names.EXAMPLE_SPLITS_KEY) or "null") or ["eval"]
    return [file for split in splits for file in of_split(inputs, split)]


def of_split(inputs: Artifacts, split: str) -> list[Path]:
    """Returns the TFRecord files of one split."""
    folders = artifact_utils.get_split_uris(inputs[names.EXAMPLES_KEY], split)
    return [file for folder in folders for file in tfrecord_blocks.shards(folder)]


def schema(inputs: Artifacts) -> schema_pb2.Schema:
    """Reads the schema of the raw features."""
    folder = artifact_utils.get_single_uri(inputs[names.SCHEMA_KEY])
    return io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(folder))
