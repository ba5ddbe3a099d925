"""What the Evaluator measured, read back from TFMA's files."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainyard.components.evaluator import companions
from trainyard.pipeline.evaluation import METRICS
from trainyard.raw_values import as_number, stored_text
from trainyard.recipe_schema import ONLY

SliceKey = tuple[tuple[str, str], ...]

ALL_ROWS = "all rows"


@dataclass(frozen=True)
class Slice:
    """The metrics of one slice.

    Attributes:
        key: Column and value pairs, sorted; empty for all rows.
        candidate: The candidate's metrics by name; NaN where one is undefined.
        baseline: The baseline's, empty without one.
        beside: What is written beside the candidate's metrics, by the names in `companions`.
    """

    key: SliceKey
    candidate: dict[str, float]
    baseline: dict[str, float]
    beside: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The slice in words."""
        return describe(self.key)

    def written(self, metric: str) -> str:
        """The candidate's value, and how far it may be off if it is not exact."""
        error = self.beside.get(f"{metric}{companions.ERROR}")
        value = number(self.candidate.get(metric, math.nan))
        return value if error is None else f"{value} ± {error:.1g}"


@dataclass(frozen=True)
class Measured:
    """One head's evaluation.

    Attributes:
        head: The head's name; `ONLY` if it is the only one.
        folder: The artifact it was read from.
        config: The `tfma.EvalConfig` it was made with: the bounds that were really checked.
        slices: All rows first, then in the order of their names.
        samples: JSON-valued metrics over all rows, decoded.
    """

    head: str
    folder: Path
    config: Any
    slices: list[Slice]
    samples: dict[str, Any]

    @property
    def overall(self) -> Slice | None:
        """The slice of all rows; None where nothing was judged."""
        return next((part for part in self.slices if not part.key), None)

    @property
    def metrics(self) -> list[Any]:
        """The `tfma.MetricConfig`s of what was measured."""
        asked = [self.head] if self.head else []
        specs = [spec for spec in self.config.metrics_specs if list(spec.output_names) == asked]
        return [metric for spec in specs for metric in spec.metrics]

    @property
    def has_baseline(self) -> bool:
        """Whether a baseline was evaluated too."""
        return any(spec.is_baseline for spec in self.config.model_specs)

    def matching(self, slicing_spec: Any) -> list[Slice]:
        """The slices that a `tfma.SlicingSpec` means; unlike for TFMA, 05 and 5 are two values."""
        values = dict(slicing_spec.feature_values)
        columns = {*slicing_spec.feature_keys, *values}
        return [
            part
            for part in self.slices
            if columns == dict(part.key).keys() and values.items() <= dict(part.key).items()
        ]

    def nearest(self, asked: SliceKey, most: int = 3) -> list[Slice]:
        """The slices by the same columns that are most like one that is not there."""
        columns = tuple(column for column, _ in asked)
        alike = [part for part in self.slices if tuple(c for c, _ in part.key) == columns]
        return sorted(alike, key=lambda part: _distance(asked, part.key))[:most]


def _distance(one: SliceKey, other: SliceKey) -> list[tuple[float, float]]:
    """How unlike the values of the same columns are: as numbers if they are, and as texts."""
    return [
        (
            abs(_size(a) - _size(b)) if math.isfinite(_size(a)) else 0.0,
            -difflib.SequenceMatcher(None, a, b).ratio(),
        )
        for (_, a), (_, b) in zip(one, other, strict=True)
    ]


def describe(key: SliceKey) -> str:
    """A slice in words, such as `sex = Male and age = 30`."""
    return " and ".join(f"{column} = {value}" for column, value in key) or ALL_ROWS


def read_measured(folder: Path) -> dict[str, Measured]:
    """Reads an evaluation artifact.

    Args:
        folder: The artifact's folder, with TFMA's metrics and configuration.

    Returns:
        What was measured, by head.
    """
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.writers.eval_config_writer import load_eval_run

    config, *_ = load_eval_run(str(folder))
    protos = list(tfma.load_metrics(str(folder)))
    outputs = {name: None for spec in config.metrics_specs for name in spec.output_names or [ONLY]}
    return {head: _of_head(head, folder, config, protos) for head in outputs}


def _of_head(head: str, folder: Path, config: Any, protos: Sequence[Any]) -> Measured:
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.slicer.slicer_lib import deserialize_slice_key

    slices: list[Slice] = []
    samples: dict[str, Any] = {}
    for proto in protos:
        key = deserialize_slice_key(proto.slice_key)  # of older runs, with numbers
        part = Slice(tuple((column, stored_text(value)) for column, value in key), {}, {})
        for pair in proto.metric_keys_and_values:
            if pair.key.output_name != head:
                continue
            kind = pair.value.WhichOneof("type")
            is_baseline = pair.key.model_name == tfma.BASELINE_KEY
            if kind == "double_value" and not pair.key.is_diff:
                side = part.baseline if is_baseline else part.candidate
                side[pair.key.name] = pair.value.double_value.value
            elif kind == "bytes_value" and not is_baseline and not part.key:
                samples[pair.key.name] = json.loads(pair.value.bytes_value)
        for name in part.candidate.keys() - METRICS.keys():
            part.beside[name] = part.candidate.pop(name)
        if part.candidate:  # without metrics: TFMA's note that a slice was too small
            slices.append(part)
    slices.sort(key=_in_order)
    return Measured(head, folder, config, slices, samples)


def _in_order(part: Slice) -> tuple[Any, ...]:
    """All rows first, then column by column, numbers by size."""
    columns = tuple(column for column, _ in part.key)
    values = tuple((_size(value), value) for _, value in part.key)
    return len(columns), columns, values


def _size(text: str) -> float:
    """The number that a slice's value is; infinite for any other text."""
    found = as_number(text)
    return math.inf if found is None else found


def number(value: float, apart: float | None = None) -> str:
    """Writes a number with four significant digits, or as many as it takes.

    Args:
        value: Any number.
        apart: Another number it must not look like, unless it is equal to it.

    Example:
        >>> number(0.79996, apart=0.8)
        '0.79996'
    """
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else str(value)
    digits = 4
    while (
        digits < 17
        and apart is not None
        and value != apart
        and _written(value, digits) == (_written(apart, digits))
    ):
        digits += 1
    return _written(value, digits)


def _written(value: float, digits: int) -> str:
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    if magnitude < -5:
        return f"{value:.{digits - 1}e}"
    text = f"{value:,.{max(0, digits - 1 - magnitude)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
