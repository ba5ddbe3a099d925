"""ExampleValidator's work: hold every split against the schema and against earlier data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx import types
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, writer_utils


class Executor(base_executor.BaseExecutor):  # type: ignore[misc]  # TFX is not typed
    """Writes the files that TFX's executor writes."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Looks for anomalies in every split.

        Args:
            input_dict: `statistics` and `schema`; perhaps `previous_statistics`, in which a
                split is held against the one of its name.
            output_dict: `anomalies`: one artifact.
            exec_properties: Nothing that is looked at.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        earlier = input_dict.get("previous_statistics", [])
        folder = artifact_utils.get_single_uri(input_dict["schema"])
        schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(folder))
        output = artifact_utils.get_single_instance(output_dict["anomalies"])
        output.split_names, output.span = statistics.split_names, statistics.span
        for split in artifact_utils.decode_split_names(statistics.split_names):
            found = tfdv.validate_statistics(
                _read(statistics, split), schema, previous_statistics=_earlier(earlier, split)
            )
            written = Path(artifact_utils.get_split_uri([output], split)) / DEFAULT_FILE_NAME
            writer_utils.write_anomalies(str(written), found)


def _earlier(
    earlier: list[types.Artifact], split: str
) -> statistics_pb2.DatasetFeatureStatisticsList | None:
    for statistics in earlier:
        if split in artifact_utils.decode_split_names(statistics.split_names):
            return _read(statistics, split)
    return None


def _read(statistics: types.Artifact, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    return stats_artifact_utils.load_statistics(statistics, split).proto()
