"""The gate's work: hold every split's findings against the recipe, and stop or pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx import types
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from trainyard.components.example_gen import lost_digits
from trainyard.components.gate import anomalies as found
from trainyard.errors import AnomalyError
from trainyard.recipe_schema import Gate, Target

FILE = "gate.json"

_TOLD = ("missing_values", "missing_column")
"""Of labels and weights `of_label` and `of_weight` have said these in better words."""


class Executor(base_executor.BaseExecutor):  # type: ignore[misc]
    """Raises AnomalyError where a finding stops the run; else writes `gate.json`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Judges the splits.

        Raises:
            AnomalyError: At least one finding stops the run; all such are named.
        """
        gate = Gate.model_validate_json(exec_properties["gate"])
        findings = [
            replace(finding, stops=_stops(finding, gate))
            for finding in _findings(input_dict, exec_properties, gate)
        ]
        stopping = [finding for finding in findings if finding.stops]
        if stopping:
            raise _error(stopping)
        output = Path(artifact_utils.get_single_uri(output_dict["findings"]))
        text = json.dumps([finding.as_json() for finding in findings], indent=1)
        (output / FILE).write_text(text, encoding="utf-8")


def _stops(finding: found.Finding, gate: Gate) -> bool:
    return finding.kind in gate.stop_on and finding.column not in gate.ignore_columns


def _findings(
    inputs: dict[str, list[types.Artifact]], properties: dict[str, Any], gate: Gate
) -> Iterator[found.Finding]:
    statistics = artifact_utils.get_single_instance(inputs["statistics"])
    schema = _read_schema(artifact_utils.get_single_uri(inputs["schema"]))
    targets = [Target.model_validate(target) for target in json.loads(properties["targets"])]
    weight: str = properties["weight"]
    labels = {target.label.name for target in targets}
    told = {*labels, weight}
    examples = artifact_utils.get_single_instance(inputs["examples"])
    written = examples.get_string_custom_property(lost_digits.PROPERTY)
    lost = lost_digits.read({lost_digits.PROPERTY: written})
    yield from found.of_digits(lost, labels)
    for split in artifact_utils.decode_split_names(statistics.split_names):
        proto = stats_artifact_utils.load_statistics(statistics, split).proto()
        split_statistics = found.SplitStatistics(split, proto)
        yield from found.of_size(gate, split_statistics)
        for target in targets:
            yield from found.of_label(target, split_statistics)
        if weight:
            yield from found.of_weight(weight, split_statistics)
        anomalies = _read_anomalies(artifact_utils.get_split_uri(inputs["anomalies"], split))
        of_columns = chain(
            found.of_presence(schema, split_statistics),
            found.from_tfdv(anomalies, schema, split_statistics),
        )
        for finding in of_columns:
            if finding.column not in told or finding.kind not in _TOLD:
                yield finding


def _read_schema(folder: str) -> schema_pb2.Schema:
    return io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(folder))


def _read_anomalies(folder: str) -> anomalies_pb2.Anomalies:
    return anomalies_pb2.Anomalies.FromString((Path(folder) / DEFAULT_FILE_NAME).read_bytes())


def _error(stopping: list[found.Finding]) -> AnomalyError:
    # The same anomaly in each split is one mistake of the user's: say it once.
    first_of: dict[tuple[str, str], found.Finding] = {}
    for finding in stopping:
        first_of.setdefault((finding.column, finding.kind), finding)
    first, *others = first_of.values()
    also = "".join(f"\n  also: {finding.message}" for finding in others[:20])
    return AnomalyError(
        f"the data did not pass the gate: {first.message}{also}",
        hint="mend the data, or the schema (trainyard schema diff), or let it pass: "
        f"leave {first.kind!r} out of gate.stop_on, or name the column in gate.ignore_columns",
    )
