"""Transform's work: analyze, write the graph, transform every split. No Beam.

What this way cannot do goes to stock's executor as a whole, and the log says so.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import TFTransformOutput
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx.components.transform import executor as stock
from tfx.components.transform import executor_utils, labels
from tfx.components.util import examples_utils, tfxio_utils
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils
from tfx.types import standard_component_specs as keys
from tfx.utils import io_utils

from trainyard import kinds, progress
from trainyard.components.transform import examples, tft_private
from trainyard.components.transform.analysis import Phase, Unsupported
from trainyard.components.transform.examples import RawSplit
from trainyard.wording import counted

OUTPUT = keys.TRANSFORMED_EXAMPLES_KEY

Artifacts = dict[str, list[Artifact]]


class BeamExecutor(stock.Executor):  # type: ignore[misc]  # TFX is not typed
    """Stock's; what ExampleGen noted of the columns goes with the graph."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Does what stock's does.

        Args:
            input_dict: As stock's.
            output_dict: As stock's.
            exec_properties: As stock's.
        """
        super().Do(input_dict, output_dict, exec_properties)
        examples = Path(input_dict[keys.EXAMPLES_KEY][0].uri)
        graph = artifact_utils.get_single_uri(output_dict[keys.TRANSFORM_GRAPH_KEY])
        kinds.hand_on(examples, Path(graph))


class Executor(BeamExecutor):
    """Writes stock Transform's artifacts; the cache of analyzers stays empty."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Analyzes some splits and transforms all.

        Args:
            input_dict: `examples` and `schema`, as stock's.
            output_dict: `transform_graph`, and `transformed_examples` if wanted, as stock's.
            exec_properties: As stock's.
        """
        try:
            check(input_dict, exec_properties)
            self._transform(input_dict, output_dict, exec_properties)
            return
        except Unsupported as found:
            reason = str(found)
        logging.getLogger(__name__).warning("Transform runs on Beam: it has %s", reason)
        progress.report(f"on Beam, for it has {reason}")
        super().Do(input_dict, output_dict, exec_properties)

    def _transform(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        self._log_startup(input_dict, output_dict, exec_properties)
        executor_utils.MatchNumberOfTransformedExamplesArtifacts(input_dict, output_dict)
        raw, transformed = input_dict[keys.EXAMPLES_KEY], output_dict.get(OUTPUT)
        schema = _schema(input_dict[keys.SCHEMA_KEY])
        chosen = exec_properties.get(keys.SPLITS_CONFIG_KEY)
        config = executor_utils.ResolveSplitsConfig(chosen, raw)
        folder = Path(artifact_utils.get_single_uri(output_dict[keys.TRANSFORM_GRAPH_KEY]))
        graph = Graph(self._preprocessing_fn(exec_properties), schema, folder)
        graph.fit(_splits(raw, config.analyze, schema))
        kinds.hand_on(Path(raw[0].uri), folder)
        names = sorted(config.transform)  # stock's order is that of a set
        executor_utils.SetSplitNames(names, transformed)
        if transformed:
            prefixes = executor_utils.GetSplitPaths(transformed)
            for split, prefix in zip(_splits(raw, names, schema), prefixes, strict=True):
                graph.transform(split, Path(prefix))

    def _preprocessing_fn(self, exec_properties: Mapping[str, Any]) -> tft_private.PreprocessingFn:
        function: tft_private.PreprocessingFn = self._GetPreprocessingFn(
            {
                labels.PREPROCESSING_FN: exec_properties[keys.PREPROCESSING_FN_KEY],
                labels.CUSTOM_CONFIG: exec_properties.get(keys.CUSTOM_CONFIG_KEY),
            },
            {},
        )
        return function


def check(input_dict: Artifacts, exec_properties: Mapping[str, Any]) -> None:
    """Looks for what is asked of Transform and cannot be done without Beam.

    Args:
        input_dict: As stock's.
        exec_properties: As stock's.

    Raises:
        Unsupported: There is such a thing; the message names it.
    """
    raw = input_dict[keys.EXAMPLES_KEY]
    payload, view = tfxio_utils.resolve_payload_format_and_data_view_uri(raw)
    reasons = {
        "statistics to compute": not exec_properties.get(keys.DISABLE_STATISTICS_KEY),
        "a graph of TensorFlow 1": exec_properties.get(keys.FORCE_TF_COMPAT_V1_KEY),
        "a module file": not exec_properties.get(keys.PREPROCESSING_FN_KEY),
        "save options": exec_properties.get(keys.SAVE_OPTIONS_KEY),
        "a cache of analyzers": input_dict.get(keys.ANALYZER_CACHE_KEY),
        "records that are no tf.Examples": payload != example_gen_pb2.FORMAT_TF_EXAMPLE or view,
        "files that are no TFRecords": any(
            examples_utils.get_file_format(artifact) != labels.FORMAT_TFRECORD for artifact in raw
        ),
    }
    if found := next((reason for reason, there in reasons.items() if there), None):
        raise Unsupported(found)


def _schema(artifacts: list[Artifact]) -> schema_pb2.Schema:
    folder = artifact_utils.get_single_uri(artifacts)
    return io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(folder))


def _splits(raw: list[Artifact], names: Sequence[str], schema: schema_pb2.Schema) -> list[RawSplit]:
    uris = chain.from_iterable(artifact_utils.get_split_uris(raw, name) for name in names)
    return [RawSplit(uri, schema) for uri in uris]


class Graph:
    """A transform graph, from a function to what transforms files.

    Args:
        function: The preprocessing_fn.
        schema: Of the raw examples.
        folder: The TransformGraph artifact's.
    """

    def __init__(
        self, function: tft_private.PreprocessingFn, schema: schema_pb2.Schema, folder: Path
    ) -> None:
        self._function, self._schema, self._folder = function, schema, folder
        self._rows = 0

    def fit(self, splits: Sequence[RawSplit]) -> None:
        """Analyzes some splits and writes the graph.

        Args:
            splits: At least one.

        Raises:
            Unsupported: An analyzer is not one of those known here; nothing is written then.
        """
        temporary = self._folder / ".temp_path"
        temporary.mkdir(parents=True, exist_ok=True)
        try:
            self._write(self._analyzed(splits, temporary))
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _analyzed(self, splits: Sequence[RawSplit], temporary: Path) -> tft_private.Traced:
        """Traces and analyzes in turn until every analyzer has its result."""
        results: dict[str, Any] = {}
        traced = first = tft_private.Traced(self._function, splits[0].specs, results, temporary)
        fingerprint = first.fingerprint()
        while traced.sinks:
            phase = Phase(traced, temporary)
            batches = chain.from_iterable(split.batches(phase.columns) for split in splits)
            progress.report("analyzing")
            results |= phase.run(batches)
            traced = tft_private.Traced(self._function, splits[0].specs, results, temporary)
            traced.check(fingerprint)
        return traced

    def _write(self, traced: tft_private.Traced) -> None:
        raw = dataset_metadata.DatasetMetadata(self._schema)
        metadata_io.write_metadata(raw, str(self._folder / TFTransformOutput.RAW_METADATA_DIR))
        transformed = traced.save(self._folder / TFTransformOutput.TRANSFORM_FN_DIR)
        folder = self._folder / TFTransformOutput.TRANSFORMED_METADATA_DIR
        metadata_io.write_metadata(transformed, str(folder))
        if assets := traced.assets():
            (folder / TFTransformOutput.ASSET_MAP).write_text(json.dumps(assets), encoding="utf-8")
        self._columns = traced.columns_for(traced.outputs)
        self._transformed = transformed.schema
        self._apply = tft_private.saved_transform(self._folder / TFTransformOutput.TRANSFORM_FN_DIR)

    def transform(self, split: RawSplit, prefix: Path) -> None:
        """Writes a split's transformed examples.

        Args:
            split: Raw examples.
            prefix: The path of a file up to its number.
        """
        examples.write(self._batches(split), prefix, self._count)

    def _count(self, rows: int) -> None:
        self._rows += rows
        progress.report(f"{counted(self._rows, 'row')} transformed")

    def _batches(self, split: RawSplit) -> Iterator[pa.RecordBatch]:
        convert = tft_private.to_arrow(self._transformed)
        for batch in split.batches(self._columns):
            yield convert(self._apply(batch))
