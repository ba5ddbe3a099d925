"""ExampleGen's work: read, add the label, serialize, split, write. No Beam."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from google.protobuf import wrappers_pb2
from tfx.components.example_gen import write_split
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from trainyard import progress
from trainyard.components.example_gen import derived_label, images, input_splits, reader
from trainyard.components.example_gen.quarantine import Quarantine, Summary
from trainyard.components.example_gen.splits import Splitter
from trainyard.components.records import encoder, parallel, shards
from trainyard.components.records.shards import ShardWriter
from trainyard.errors import DataError, EnvironmentProblem
from trainyard.recipe_schema import Data, Label, Section

SHARD = "data_tfrecord"  # stock's name
SET_ASIDE = "rows_set_aside"
"""The artifact's property: how many rows are in its quarantine file."""

ENCODED_AGAIN = "images_encoded_again"
"""The artifact's property: how many images did not stay as they were, for each reason; JSON."""


class Settings(Section):
    """What ExampleGen is told beyond stock's execution properties.

    All of it counts for the cache: another code or schema digest is another run.
    """

    data: Data
    label: Label
    code: str
    schema_digest: str
    images_digest: str

    def to_proto(self) -> example_gen_pb2.CustomConfig:
        """Packs the settings as stock's `custom_config`."""
        config = example_gen_pb2.CustomConfig()
        config.custom_config.Pack(wrappers_pb2.StringValue(value=self.model_dump_json()))
        return config

    @classmethod
    def from_json(cls, custom_config: str) -> Settings:
        """Unpacks the execution property `custom_config`."""
        config, text = example_gen_pb2.CustomConfig(), wrappers_pb2.StringValue()
        proto_utils.json_to_proto(custom_config, config)
        config.custom_config.Unpack(text)
        return cls.model_validate_json(text.value)


class Executor(base_executor.BaseExecutor):  # type: ignore[misc]  # TFX is not typed
    """Writes the splits in stock's layout, with the properties that stock sets."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Generates the Examples artifact.

        Args:
            input_dict: Empty.
            output_dict: `examples`: one artifact.
            exec_properties: As the stock FileBasedDriver resolves them.

        Raises:
            DataError: The input is not as it should be, or a split is empty.
            RecipeError: The recipe names a column that is not there.
            EnvironmentProblem: The disk is full or not writable.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        settings = Settings.from_json(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        splitters = _splitters(settings.data, exec_properties)
        names = next(iter(splitters.values())).names
        artifact.split_names = artifact_utils.encode_split_names(names)
        try:
            rows, aside, changes = _generate(settings, splitters, Path(artifact.uri))
        except OSError as error:
            raise EnvironmentProblem(
                f"the examples cannot be written: {error}",
                where=artifact.uri,
                hint="free some space on that disk, or set TRAINYARD_HOME to a writable folder",
            ) from None
        _check_splits(rows, names, list(splitters))
        _describe(artifact, exec_properties)
        artifact.set_int_custom_property(SET_ASIDE, aside.bad)
        artifact.set_string_custom_property(ENCODED_AGAIN, json.dumps(changes))


def _splitters(data: Data, exec_properties: Mapping[str, Any]) -> dict[Path, Splitter]:
    """Finds the input files, and where the rows of each may go."""
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], config)
    folder = Path(exec_properties[standard_component_specs.INPUT_BASE_KEY])
    splitters: dict[Path, Splitter] = {}
    claimed = [split.name for split in config.splits[1:]]
    for split in config.splits:
        pattern = str(folder / split.pattern)
        files = [Path(file) for file in sorted(fileio.glob(pattern))]
        splitter = _splitter(exec_properties, split.name, claimed)
        splitters |= dict.fromkeys(input_splits.units(data, files, pattern), splitter)
    return splitters


def _splitter(exec_properties: Mapping[str, Any], name: str, claimed: Sequence[str]) -> Splitter:
    """The rows of an input split go to its own split if it has one, else to those left over."""
    config = example_gen_pb2.Output()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.OUTPUT_CONFIG_KEY], config)
    split = config.split_config
    key = split.partition_feature_name if split.HasField("partition_feature_name") else None
    buckets = {part.name: part.hash_buckets for part in split.splits}
    chosen = [name] if name in claimed else [each for each in buckets if each not in claimed]
    return Splitter(list(buckets), {each: buckets[each] for each in chosen}, key)


def _generate(
    settings: Settings, splitters: Mapping[Path, Splitter], folder: Path
) -> tuple[Counter[str], Summary, Counter[str]]:
    """Reads and writes everything; returns how many rows each split got, and what none got."""
    progress.report("looking at the columns")
    data, files = settings.data, list(splitters)
    types = reader.columns(data, files)
    derived_label.check(settings.label, images.columns(data, types), f"({files[0]})")
    blocks = images.blocks(data, reader.blocks(data, files, types))
    encoded = parallel.mapped(partial(_encode, settings, splitters), blocks)
    return _write(encoded, splitters[files[0]].names, folder, data.max_bad_share)


class _Part(NamedTuple):
    """The rows of a block that fell into one split, as a gzip member of `size` bytes."""

    rows: int
    member: bytes
    size: int


class _Encoded(NamedTuple):
    """A block as it goes to the files: a part for each split."""

    parts: list[_Part]
    block: reader.Block
    changes: Counter[str]


def _encode(
    settings: Settings, splitters: Mapping[Path, Splitter], block: reader.Block
) -> _Encoded:
    block, changes = images.append(settings.data, block)
    batch, splitter = derived_label.append(settings.label, block).batch, splitters[block.file]
    compressed = shards.stored if settings.data.images else shards.compressed
    examples = encoder.encode(batch)
    records = encoder.each(examples)
    split_of_row = splitter.assign(batch, records)
    framed, parts = shards.framed(examples, records), []
    for split in range(len(splitter.names)):
        chosen = framed.filter(pa.array(split_of_row == split))
        parts.append(_Part(len(chosen), *compressed(chosen)))
    # The rows are in the parts now; what remains is where they came from, and the bad ones.
    return _Encoded(parts, dataclasses.replace(block, batch=batch.slice(0, 0)), changes)


def _write(
    blocks: Iterable[_Encoded], splits: list[str], folder: Path, max_bad_share: float
) -> tuple[Counter[str], Summary, Counter[str]]:
    """Writes the shards of all splits, and what is set aside."""
    counts: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    with ExitStack() as stack:
        writers = {name: ShardWriter(folder / f"Split-{name}" / SHARD) for name in splits}
        for writer in writers.values():
            stack.callback(writer.close)
        quarantine = stack.enter_context(Quarantine(folder))
        for encoded in blocks:
            for (name, writer), part in zip(writers.items(), encoded.parts, strict=True):
                writer.write(part.member, part.size)
                counts[name] += part.rows
            changes += encoded.changes
            quarantine.add(encoded.block.file, encoded.block.bad)
            aside = f", {quarantine.count:,} set aside" if quarantine.count else ""
            again = f", {changes.total():,} images encoded again" if changes else ""
            progress.report(f"{counts.total():,} rows{aside}{again}", encoded.block.fraction)
    summary = quarantine.finish(counts.total(), max_bad_share)
    for writer in writers.values():
        writer.finish()
    return counts, summary, changes


def _check_splits(rows: Counter[str], splits: list[str], files: list[Path]) -> None:
    empty = [name for name in splits if not rows[name]]
    if empty:
        raise DataError(
            f"no row fell into the split {' or '.join(map(repr, empty))}",
            where=", ".join(map(str, files[:3])),
            received=f"{rows.total()} rows: {dict(rows)}",
            hint="give more rows, or the split a larger share in `data.split`; "
            "with `data.key`, there may be too few different keys",
        )


def _describe(artifact: Artifact, exec_properties: Mapping[str, Any]) -> None:
    payload = exec_properties[standard_component_specs.OUTPUT_DATA_FORMAT_KEY]
    form = exec_properties[standard_component_specs.OUTPUT_FILE_FORMAT_KEY]
    examples_utils.set_payload_format(artifact, payload)
    examples_utils.set_file_format(artifact, write_split.to_file_format_str(form))
