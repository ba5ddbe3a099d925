"""StatisticsGen's work on one machine: TFDV's statistics, column by column. No Beam."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorflow_data_validation.statistics.stats_options import StatsOptions
from tfx.components.statistics_gen import executor as stock
from tfx.components.util import examples_utils, tfxio_utils
from tfx.dsl.components.base import base_executor
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import json_utils, stats_utils

from trainyard import progress
from trainyard.components.records import tfrecord_blocks
from trainyard.components.records.arrow_examples import record_batches
from trainyard.components.statistics_gen.tfdv_combiners import Statistics, unsupported
from trainyard.wording import counted

_log = logging.getLogger(__name__)


class Executor(base_executor.BaseExecutor):  # type: ignore[misc]  # TFX is not typed
    """Writes stock's artifact; what it cannot compute it leaves to stock, and says so.

    It is given Beam's context, for stock's executor, but is no Beam executor itself:
    making one packs TFX's sources for remote workers, which takes a second or two.
    """

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Computes the statistics of every split.

        Args:
            input_dict: `examples`: one artifact; perhaps `schema`.
            output_dict: `statistics`: one artifact.
            exec_properties: Stock's.

        Raises:
            DataError: The examples are damaged.
        """
        examples = artifact_utils.get_single_instance(
            input_dict[standard_component_specs.EXAMPLES_KEY]
        )
        options = _options(exec_properties)
        reason = _needs_beam(examples, input_dict, options, exec_properties)
        if reason is not None:
            _log.warning("%s: not for the local engine; Beam computes the statistics", reason)
            stock.Executor(self._context).Do(input_dict, output_dict, exec_properties)
            return
        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.STATISTICS_KEY]
        )
        splits = _splits(examples, exec_properties)
        _describe(artifact, examples, splits)
        _write(artifact, examples, splits, options)


def _options(exec_properties: Mapping[str, Any]) -> StatsOptions:
    text = exec_properties.get(standard_component_specs.STATS_OPTIONS_JSON_KEY)
    return StatsOptions.from_json(text) if text else StatsOptions()


def _needs_beam(
    examples: Artifact,
    input_dict: Mapping[str, list[Artifact]],
    options: StatsOptions,
    exec_properties: Mapping[str, Any],
) -> str | None:
    """Says what cannot be done here, or returns None."""
    if input_dict.get(standard_component_specs.SCHEMA_KEY):
        return "a schema channel"
    payload, view = tfxio_utils.resolve_payload_format_and_data_view_uri([examples])
    if payload != example_gen_pb2.FORMAT_TF_EXAMPLE or view is not None:
        return "a payload other than tf.Example"
    if examples.has_custom_property(examples_utils.CUSTOM_SPLIT_PATTERN_PROPERTY_NAME):
        return "split patterns"
    if exec_properties.get(standard_component_specs.SHARDED_STATS_OUTPUT_KEY):
        return "output in shards"
    sampled = json_utils.loads(
        exec_properties.get(standard_component_specs.SAMPLE_RATE_BY_SPLIT_KEY) or "null"
    )
    return "a sample of each split" if sampled else unsupported(options)


def _splits(examples: Artifact, exec_properties: Mapping[str, Any]) -> list[str]:
    text = exec_properties.get(standard_component_specs.EXCLUDE_SPLITS_KEY)
    excluded = json_utils.loads(text or "null") or []
    if not isinstance(excluded, list):
        raise ValueError(f"exclude_splits has to be a list, and is {type(excluded).__name__}")
    names = artifact_utils.decode_split_names(examples.split_names)
    if splits := [name for name in names if name not in excluded]:
        return splits
    raise ValueError(f"exclude_splits {excluded} leaves none of the splits {names}")


def _describe(artifact: Artifact, examples: Artifact, splits: list[str]) -> None:
    """Sets the properties that stock sets."""
    artifact.split_names = artifact_utils.encode_split_names(splits)
    artifact.span = examples.span
    artifact.set_string_custom_property(
        stock.STATS_DASHBOARD_LINK, stats_utils.generate_stats_dashboard_link(artifact)
    )
    artifact.set_json_value_custom_property(
        stock.SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME, json_utils.dumps(dict.fromkeys(splits, 1.0))
    )


def _write(
    artifact: Artifact, examples: Artifact, splits: list[str], options: StatsOptions
) -> None:
    files = {
        split: tfrecord_blocks.shards(artifact_utils.get_split_uri([examples], split))
        for split in splits
    }
    sizes = {split: sum(file.stat().st_size for file in files[split]) for split in splits}
    done, total, rows = 0, sum(sizes.values()) or 1, 0
    for split in splits:
        statistics = Statistics(options)
        for batch, fraction in record_batches(files[split]):
            statistics.add(batch)
            rows += len(batch)
            progress.report(counted(rows, "row"), (done + fraction * sizes[split]) / total)
        done += sizes[split]
        file = Path(artifact_utils.get_split_uri([artifact], split)) / stock.DEFAULT_FILE_NAME
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(statistics.result().SerializeToString())
