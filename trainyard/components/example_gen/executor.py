"""ExampleGen's work: read, add the label, serialize, split, write. No Beam."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf import wrappers_pb2
from tfx.components.example_gen import write_split
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_executor
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from trainyard import kinds, progress
from trainyard.components.example_gen import (
    division,
    identity,
    images,
    input_splits,
    inputs_read,
    left_out,
    lost_digits,
    patterns,
    reader,
    splits,
    texts,
    unlike_files,
)
from trainyard.components.example_gen.lost_digits import Lost
from trainyard.components.example_gen.narrowing import Narrowing
from trainyard.components.example_gen.quarantine import Quarantine, Summary
from trainyard.components.example_gen.splits import Splitter
from trainyard.components.example_gen.unlike_files import Unlike
from trainyard.components.records import encoder, parallel, shards
from trainyard.components.records.shards import ShardWriter
from trainyard.errors import DataError, EnvironmentProblem
from trainyard.recipe_schema import Data, Feature, Label, Section
from trainyard.wording import counted

SHARD = "data_tfrecord"  # stock's name
_TRAIN = 0  # the place of the training split: the first in `Split.buckets`
SET_ASIDE = "rows_set_aside"
"""The artifact's property: how many rows are in its quarantine file."""

ENCODED_AGAIN = "images_encoded_again"
"""The artifact's property: how many images did not stay as they were, for each reason; JSON."""


class Settings(Section):
    """What ExampleGen is told beyond stock's execution properties.

    All of it counts for the cache: another code or schema digest is another run.
    """

    data: Data
    labels: dict[str, Label]
    features: dict[str, Feature] | None = None
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
        inputs = _inputs(settings.data, exec_properties)
        names = list(settings.data.split.buckets)
        artifact.split_names = artifact_utils.encode_split_names(names)
        try:
            written = _generate(settings, inputs, names, Path(artifact.uri))
        except OSError as error:
            raise EnvironmentProblem(
                f"the examples cannot be written: {error}",
                where=artifact.uri,
                hint="free some space on that disk, or set TRAINYARD_HOME to a writable folder",
            ) from None
        files = [file for each in inputs for file in each.files]
        _check_splits(written, names, files)
        inputs_read.write(Path(artifact.uri), files)
        _describe(artifact, exec_properties)
        artifact.set_int_custom_property(SET_ASIDE, written.aside.bad)
        artifact.set_string_custom_property(ENCODED_AGAIN, json.dumps(written.changes))
        divided = written.tally.finish(settings.data, written.rows, len(inputs) == 1)
        artifact.set_string_custom_property(division.PROPERTY, divided.model_dump_json())
        written.tally.write(Path(artifact.uri))
        artifact.set_string_custom_property(left_out.PROPERTY, json.dumps(written.left_out))
        lost = [each.model_dump() for each in written.lost]
        artifact.set_string_custom_property(lost_digits.PROPERTY, json.dumps(lost))
        unlike = [each.model_dump() for each in written.unlike]
        artifact.set_string_custom_property(unlike_files.PROPERTY, json.dumps(unlike))


class _Input(NamedTuple):
    """Files whose rows are divided among the same buckets of splits."""

    files: list[Path]
    buckets: dict[str, int]


def _inputs(data: Data, exec_properties: Mapping[str, Any]) -> list[_Input]:
    """Finds the input files, and where the rows of each may go.

    The rows of an input split go to its own split if it has one, else to those left over.
    """
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], config)
    folder = Path(exec_properties[standard_component_specs.INPUT_BASE_KEY])
    buckets, found = data.split.buckets, list[_Input]()
    claimed = [split.name for split in config.splits[1:]]
    for split in config.splits:
        # The driver fills in a line for each span.
        lines = [str(folder / line) for line in split.pattern.split("\n")]
        files = [file for line in lines for file in patterns.matching(line)]
        own = [split.name] if split.name in claimed else [n for n in buckets if n not in claimed]
        units = input_splits.units(data, files, lines[-1])
        found.append(_Input(units, {name: buckets[name] for name in own}))
    return found


class _Written(NamedTuple):
    """What came of the input: rows a split, rows left out, images encoded again, bad rows, ..."""

    rows: Counter[str]
    left_out: Counter[str]
    changes: Counter[str]
    aside: Summary
    tally: division.Tally
    lost: list[Lost] = []
    unlike: list[Unlike] = []


def _generate(
    settings: Settings, inputs: Sequence[_Input], names: list[str], folder: Path
) -> _Written:
    """Reads and writes everything."""
    progress.report("looking at the columns")
    data, files = settings.data, [file for each in inputs for file in each.files]
    types, numbers, unlike = reader.survey(data, files)
    columns = texts.columns(data, images.columns(data, types))
    left_out.check(data, settings.labels, columns, f"({files[0]})")
    splits.check(data, types)
    splitters: dict[Path, Splitter] = {}
    for each in inputs:
        choose = splits.chooser(data, each.files, types, settings.labels, each.buckets)
        splitter = Splitter(names, each.buckets, choose)
        splitters |= dict.fromkeys(each.files, splitter)
    narrowing = Narrowing.of(data, settings.labels, settings.features, types, numbers)
    held = {**reader.held(data, files, columns), **narrowing.types}
    kinds.write(folder, {name: found.kind for name, found in held.items()})
    blocks = images.blocks(data, reader.blocks(data, files, types))
    encoded = _all_encoded(settings, splitters, narrowing, blocks)
    written = _write(encoded, names, folder, data.max_bad_share)
    return written._replace(lost=narrowing.lost, unlike=unlike)


class _Assigned(NamedTuple):
    """A block whose rows have their places: that of a split in the list of all, or -1."""

    block: reader.Block
    examples: Any
    records: list[bytes]
    identities: identity.Hashes
    places: npt.NDArray[np.int64]
    changes: Counter[str]
    left_out: Counter[str]


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
    left_out: Counter[str]
    identities: list[identity.Hashes]
    classes: dict[str, division.Counts | None]


def _all_encoded(
    settings: Settings,
    splitters: Mapping[Path, Splitter],
    narrowing: Narrowing,
    blocks: Iterable[reader.Block],
) -> Iterator[_Encoded]:
    assign = partial(_assigned, settings, splitters, narrowing)
    pack = partial(_packed, settings, splitters)
    few = settings.data.split.train_per_class
    if few is None:
        yield from parallel.mapped(lambda block: pack(assign(block)), blocks)
        return
    # Which rows are the first is known in the order of the input only.
    (label,) = settings.labels.values()  # else there are no classes to count
    limit = partial(_limited, label, left_out.FewOfEachClass(few))
    yield from map(pack, map(limit, parallel.mapped(assign, blocks)))


def _assigned(
    settings: Settings,
    splitters: Mapping[Path, Splitter],
    narrowing: Narrowing,
    block: reader.Block,
) -> _Assigned:
    block, changes = images.append(settings.data, block)
    block = texts.append(settings.data, block)
    block, unwanted = left_out.labelled(settings.data, settings.labels, block)
    examples = encoder.encode(narrowing.narrowed(block).batch)
    records = encoder.each(examples)
    identities = identity.rows(block.batch if block.raw is None else block.raw)
    places = splitters[block.file].assign(block, identities)
    unwanted[left_out.IN_ORDER] = int((places < 0).sum())
    return _Assigned(block, examples, records, identities, places, changes, unwanted)


def _limited(label: Label, few: left_out.FewOfEachClass, block: _Assigned) -> _Assigned:
    batch, places = block.block.batch, block.places.copy()
    if label.name not in batch.schema.names:  # no tf.Example of the block has it
        return block
    surplus = few.surplus(batch.column(label.name), places == _TRAIN)
    places[surplus] = -1
    unwanted = block.left_out + Counter({left_out.TRAIN_PER_CLASS: len(surplus)})
    return block._replace(places=places, left_out=unwanted)


def _packed(
    settings: Settings, splitters: Mapping[Path, Splitter], assigned: _Assigned
) -> _Encoded:
    block = assigned.block
    compressed = shards.stored if settings.data.images else shards.compressed
    framed, parts = shards.framed(assigned.examples, assigned.records), []
    for split in range(len(splitters[block.file].names)):
        chosen = framed.filter(pa.array(assigned.places == split))
        parts.append(_Part(len(chosen), *compressed(chosen)))
    # The rows are in the parts now; what remains is where they came from, and the bad ones.
    rest = block.filter(np.zeros(len(block.batch), bool))
    names, places = splitters[block.file].names, assigned.places
    counts = {
        label.name: division.counted(block, label.name, places, names)
        for label in settings.labels.values()
    }
    by_split = [assigned.identities[places == place] for place in range(len(names))]
    return _Encoded(parts, rest, assigned.changes, assigned.left_out, by_split, counts)


def _write(
    blocks: Iterable[_Encoded], splits: list[str], folder: Path, max_bad_share: float
) -> _Written:
    """Writes the shards of all splits, and what is set aside."""
    counts: Counter[str] = Counter()
    changes: Counter[str] = Counter()
    unwanted: Counter[str] = Counter()
    tally = division.Tally(splits)
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
            unwanted += encoded.left_out
            tally.add(encoded.identities, encoded.classes)
            quarantine.add(encoded.block.file, encoded.block.bad)
            said = {
                f"{unwanted.total():,} left out": unwanted.total(),
                f"{quarantine.count:,} set aside": quarantine.count,
                f"{counted(changes.total(), 'image')} encoded again": changes.total(),
            }
            words = [
                counted(counts.total(), "row"),
                *(text for text, count in said.items() if count),
            ]
            progress.report(", ".join(words), encoded.block.fraction)
    summary = quarantine.finish(counts.total() + unwanted.total(), max_bad_share)
    for writer in writers.values():
        writer.finish()
    return _Written(counts, unwanted, changes, summary, tally)


def _check_splits(written: _Written, splits: list[str], files: list[Path]) -> None:
    empty = [name for name in splits if not written.rows[name]]
    if empty:
        unwanted = left_out.sentence(written.left_out)
        raise DataError(
            f"no row fell into the split {' or '.join(map(repr, empty))}",
            where=", ".join(map(str, files[:3])),
            received=f"{counted(written.rows.total(), 'row')}: {dict(written.rows)}"
            + (f"; left out: {unwanted}" if unwanted else ""),
            hint="give more rows, or the split a larger share in `data.split`; "
            "with `data.key`, there may be too few different keys",
        )


def _describe(artifact: Artifact, exec_properties: Mapping[str, Any]) -> None:
    payload = exec_properties[standard_component_specs.OUTPUT_DATA_FORMAT_KEY]
    form = exec_properties[standard_component_specs.OUTPUT_FILE_FORMAT_KEY]
    examples_utils.set_payload_format(artifact, payload)
    examples_utils.set_file_format(artifact, write_split.to_file_format_str(form))
