"""Columns of a file to predict that tell the model nothing: empty ones, and unknown words only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from trainyard.components.pusher.versions import origin
from trainyard.pipeline import records
from trainyard.pipeline.verdict import finished_output
from trainyard.trainer_modules.harness.description import Description

if TYPE_CHECKING:
    from trainyard.components.gate.anomalies import SplitStatistics

_SHOWN = 3
_BY_CHANCE = 0.05
"""Where so many files of as many rows would be empty too, nobody needs to be told."""


class Watch:
    """Looks at what a model is given, block by block; images, long texts and series apart.

    Args:
        told: What the model takes.
        trained: Statistics of the rows that it was trained on; None if they are gone.
    """

    def __init__(self, told: Description, trained: SplitStatistics | None) -> None:
        apart = {*told.images, *told.texts, *told.series}
        columns = {name: kind for name, kind in told.inputs.items() if name not in apart}
        texts = [name for name, kind in columns.items() if kind == "string" and trained]
        known = {name: trained.every_value(name) for name in texts} if trained else {}
        self._trained, self._rows = trained, 0
        self._present = dict.fromkeys(columns, 0)
        self._unknown = {name: values for name, values in known.items() if values}
        self._examples: dict[str, list[str]] = {}

    def add(self, inputs: Mapping[str, pa.Array]) -> None:
        """Looks at rows.

        Args:
            inputs: The model's, null or an empty list where missing.
        """
        self._rows += len(next(iter(inputs.values()), ()))
        for name in self._present:
            self._present[name] += len(inputs[name]) - inputs[name].null_count
        for name, known in list(self._unknown.items()):
            values = inputs[name]
            values = values.flatten() if pa.types.is_list(values.type) else values
            distinct = values.drop_null().unique().to_pylist()
            if known.intersection(distinct):
                del self._unknown[name]
            elif distinct:
                self._examples.setdefault(name, distinct[:_SHOWN])

    def warnings(self) -> Iterator[str]:
        """Says which columns told nothing in all rows, though they did in training."""
        for name in (name for name, present in self._present.items() if not present):
            share = self._share(name)
            if share is None or (1 - share) ** self._rows <= _BY_CHANCE:
                yield f"column {name!r} has no value in any of {self._rows:,} rows" + (
                    ""
                    if share is None
                    else f"; the model was trained with values in {share:.1%} of rows"
                )
        for name, known in self._unknown.items():
            if name in self._examples:
                yield (
                    f"column {name!r} has only values that training did not see, such as "
                    f"{_quoted(self._examples[name])}; it saw {_quoted(sorted(known)[:_SHOWN])}"
                    f"{', ...' if len(known) > _SHOWN else ''}: are they spelled alike?"
                )

    def _share(self, column: str) -> float | None:
        """The share of training's rows that had a value; None if nobody knows."""
        if self._trained is None or not self._trained.rows:
            return None
        return 1 - self._trained.missing(column) / self._trained.rows


def _quoted(values: list[str]) -> str:
    return ", ".join(map(repr, values))


def trained_on(version: Path, split: str) -> SplitStatistics | None:
    """Reads the statistics of the run that pushed a version; None if that is gone.

    Args:
        version: The version's folder.
        split: The split that it was trained on.
    """
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from trainyard.components.gate.anomalies import SplitStatistics

    made = origin(version)
    record = records.with_id(made.run) if made else None
    folder = finished_output(record, "StatisticsGen", "statistics") if record else None
    file = folder / f"Split-{split}" / "FeatureStats.pb" if folder else None
    if file is None or not file.exists():
        return None
    proto = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
    return SplitStatistics(split, proto)
