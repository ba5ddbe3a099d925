"""Which earlier data new data are held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import ml_metadata
from ml_metadata.proto.metadata_store_pb2 import Event
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio


class StatisticsOfLatestBlessed(resolver.ResolverStrategy):  # type: ignore[misc]
    """The statistics of the data of the latest blessed model that was made of other data.

    Data that stopped a run, or whose model was not blessed, are no measure: a drift that is
    refused today is refused tomorrow. Nor are data their own: on a second, unchanged run the
    answer is that of the first, and the cache holds.
    """

    def resolve_artifacts(
        self, store: ml_metadata.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Chooses the statistics.

        Args:
            store: The metadata store, which knows what was made of what.
            input_dict: `statistics`, `examples`, `model_blessing`: all there are;
                `candidate`: the statistics of this run's data.

        Returns:
            Under `statistics`, at most one artifact; empty lists under the other keys.
        """
        examples = _ids(input_dict["examples"])
        candidates = _ids(input_dict["candidate"])
        blessings = [each for each in input_dict["model_blessing"] if _is_blessed(each)]
        others = [
            each
            for each in input_dict["statistics"]
            if each.id not in candidates and fileio.exists(each.uri)
        ]
        read = _read_for(store, _ids(blessings) | _ids(others))
        fitting = (
            each
            for blessing in sorted(blessings, key=lambda blessing: -blessing.id)
            for each in sorted(others, key=lambda each: -each.id)
            if read[blessing.id] & read[each.id] & examples
        )
        chosen = next(fitting, None)
        return {key: [] for key in input_dict} | {"statistics": [chosen] if chosen else []}


def _ids(artifacts: Iterable[types.Artifact]) -> set[int]:
    return {artifact.id for artifact in artifacts}


def _is_blessed(blessing: types.Artifact) -> bool:
    return bool(blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY))


def _read_for(store: ml_metadata.MetadataStore, made: Iterable[int]) -> dict[int, set[int]]:
    """For each artifact, the artifacts that its makers read, by id."""
    makers = [
        (event.artifact_id, event.execution_id)
        for event in store.get_events_by_artifact_ids(list(made))
        if event.type == Event.OUTPUT
    ]
    read: dict[int, set[int]] = defaultdict(set)
    for event in store.get_events_by_execution_ids({maker for _, maker in makers}):
        if event.type == Event.INPUT:
            read[event.execution_id].add(event.artifact_id)
    found: dict[int, set[int]] = defaultdict(set)
    for artifact, maker in makers:
        found[artifact] |= read[maker]
    return found
