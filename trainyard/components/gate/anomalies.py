"""Turns statistics, schema and TFDV anomalies into findings a person can act on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from trainyard.components.example_gen import spellings
from trainyard.components.example_gen.lost_digits import REMEDY, Lost
from trainyard.raw_values import canonical_text, is_same
from trainyard.recipe_schema import Anomaly, Gate, Target
from trainyard.wording import counted

ALL_SPLITS = "all splits"
"""In place of a split's name, where it is not one alone."""

_Type = anomalies_pb2.AnomalyInfo
_WRONG_TYPE_WORDS = ("_NOT_", "_NOW_", "UNEXPECTED_DATA_TYPE", "_EXPECTED", "NON_STRING")
# The first entry that fits a TFDV anomaly type's name decides its kind.
_KINDS: tuple[tuple[Anomaly, tuple[str, ...]], ...] = (
    ("new_category", ("UNEXPECTED_STRING_VALUES", "BOOL_TYPE_UNEXPECTED_STRING")),
    ("new_column", ("SCHEMA_NEW_COLUMN",)),
    ("missing_column", ("SCHEMA_MISSING_COLUMN", "FEATURE_TYPE_NOT_PRESENT")),
    ("missing_values", ("_PRESENT", "LOW_NUMBER_VALUES", "NO_VALUES", "FEATURE_SHAPE")),
    ("too_few_rows", ("LOW_NUM_EXAMPLES", "NO_DATA_IN_SPAN")),
    ("drift", ("COMPARATOR_",)),
    ("out_of_range", ("BIG_INT", "SMALL_INT", "BIG_FLOAT", "SMALL_FLOAT", "HAS_NAN", "HAS_INF")),
    ("wrong_type", _WRONG_TYPE_WORDS),
)


@dataclass(frozen=True)
class Finding:
    """One anomaly of one split.

    Attributes:
        split: Where it was seen.
        column: The column; empty when it concerns the whole split.
        kind: The recipe's word for it.
        expected: What schema or recipe ask for.
        found: What the data hold, with counts.
        stops: Whether it stops the run.
    """

    split: str
    column: str
    kind: Anomaly
    expected: str
    found: str
    stops: bool = False

    @property
    def message(self) -> str:
        """One line: column, expectation and count."""
        where = f"column {self.column!r} ({self.split})" if self.column else f"split {self.split!r}"
        return f"{where}: expected {self.expected}; found {self.found}"

    def as_json(self) -> dict[str, object]:
        """The finding as it is written to `gate.json`."""
        return asdict(self) | {"message": self.message}


class SplitStatistics:
    """TFDV's statistics of one split, by column.

    Args:
        split: The split's name.
        proto: What StatisticsGen wrote.
    """

    def __init__(self, split: str, proto: statistics_pb2.DatasetFeatureStatisticsList) -> None:
        self.split = split
        dataset = proto.datasets[0] if proto.datasets else statistics_pb2.DatasetFeatureStatistics()
        self.rows: int = dataset.num_examples
        self.columns = {
            (feature.name or ".".join(feature.path.step)): feature for feature in dataset.features
        }

    def missing(self, column: str) -> int:
        """How many rows have no value in the column.

        TFDV counts an empty list, which is how ExampleGen writes a missing value,
        as present with no values.
        """
        feature = self.columns.get(column)
        if feature is None:
            return self.rows
        common = self._typed(feature).common_stats
        single_valued = common.max_num_values <= 1
        present = common.tot_num_values if single_valued else common.num_non_missing
        return self.rows - int(present)

    def type_name(self, column: str) -> str:
        """The column's type as TFDV read it, such as `INT`."""
        return str(statistics_pb2.FeatureNameStatistics.Type.Name(self.columns[column].type))

    def counts(self, column: str) -> dict[str, int]:
        """Rows per value of a text column, most frequent first."""
        feature = self.columns[column]
        buckets = feature.string_stats.rank_histogram.buckets
        return {bucket.label: round(bucket.sample_count) for bucket in buckets}

    def every_value(self, column: str) -> frozenset[str] | None:
        """The values of a text column; None where there are more than TFDV keeps."""
        known = frozenset(self.counts(column)) if column in self.columns else frozenset()
        kept = known and len(known) >= self.columns[column].string_stats.unique
        return known if kept else None

    def bounds(self, column: str) -> tuple[float, float] | None:
        """Smallest and largest value of a numeric column; None for others."""
        feature = self.columns[column]
        if not feature.HasField("num_stats"):
            return None
        return feature.num_stats.min, feature.num_stats.max

    def has_more_than_two(self, column: str) -> bool:
        """Whether a numeric column has values between its smallest and its largest one.

        Told by the mean of `(x - min) * (max - x)`, which is 0 of two values; a few rows among
        millions are not noticed.
        """
        numbers = self.columns[column].num_stats
        low, high, mean = numbers.min, numbers.max, numbers.mean
        between = (mean - low) * (high - mean) - numbers.std_dev**2
        rounding = 1e-12 * max(abs(low), abs(high)) ** 2
        return bool(between > 1e-6 * (high - low) ** 2 + rounding)

    @staticmethod
    def _typed(feature: statistics_pb2.FeatureNameStatistics) -> Any:
        return getattr(feature, feature.WhichOneof("stats") or "num_stats")


def from_tfdv(
    anomalies: anomalies_pb2.Anomalies, schema: schema_pb2.Schema, statistics: SplitStatistics
) -> Iterator[Finding]:
    """Translates what ExampleValidator found in one split.

    Args:
        anomalies: ExampleValidator's output for the split.
        schema: The schema it was held against.
        statistics: The split's statistics, for the counts.
    """
    features = {feature.name: feature for feature in schema.feature}
    for column, info in sorted(anomalies.anomaly_info.items()):
        reasons = {_kind(_Type.Type.Name(reason.type)): reason for reason in info.reason}
        if "wrong_type" in reasons:  # what else is wrong with it follows from that
            reasons = {"wrong_type": reasons["wrong_type"]}
        for kind, reason in reasons.items():
            if column not in statistics.columns or column not in features:
                expected, found = _explain_absence(kind, statistics)
            elif kind == "missing_values" or statistics.missing(column) == statistics.rows:
                continue  # `of_presence` counts; TFDV gives a column without values a range of 0
            else:
                expected, found = _explain(kind, reason, features[column], schema, statistics)
            yield Finding(statistics.split, column, kind, expected, found)
    for reason in anomalies.dataset_anomaly_info.reason:
        kind = _kind(_Type.Type.Name(reason.type))
        yield Finding(statistics.split, "", kind, "the schema's bounds", reason.description)


def _kind(type_name: str) -> Anomaly:
    for kind, words in _KINDS:
        if any(word in type_name for word in words):
            return kind
    return "other"


def _explain_absence(kind: Anomaly, statistics: SplitStatistics) -> tuple[str, str]:
    if kind == "new_column":
        return "only the schema's columns", f"a new column in {counted(statistics.rows, 'row')}"
    return "a column of this name", f"no such column in {counted(statistics.rows, 'row')}"


def _explain(
    kind: Anomaly,
    reason: anomalies_pb2.AnomalyInfo.Reason,
    feature: schema_pb2.Feature,
    schema: schema_pb2.Schema,
    statistics: SplitStatistics,
) -> tuple[str, str]:
    name = feature.name
    if kind == "new_category":
        return _explain_categories(feature, schema, statistics)
    if kind == "wrong_type":
        wanted = schema_pb2.FeatureType.Name(feature.type)
        return (
            f"type {wanted}",
            f"type {statistics.type_name(name)} in {counted(statistics.rows, 'row')}",
        )
    if kind == "drift":
        return "data like those of the last blessed model (drift_comparator)", reason.description
    return f"what the schema says of {name!r}", reason.description


def _explain_categories(
    feature: schema_pb2.Feature, schema: schema_pb2.Schema, statistics: SplitStatistics
) -> tuple[str, str]:
    shared = {domain.name: domain for domain in schema.string_domain}
    domain = shared.get(feature.domain, feature.string_domain)
    known = set(domain.value)
    counts = statistics.counts(feature.name)
    new = {value: count for value, count in counts.items() if value not in known}
    shown = ", ".join(
        f"{value!r} in {counted(count, 'row')}" for value, count in list(new.items())[:5]
    )
    more = f" and {len(new) - 5} more" if len(new) > 5 else ""
    return f"one of {len(known)} known values", shown + more or "values beyond the domain"


def required_share(feature: schema_pb2.Feature) -> float:
    """Returns the share of the rows in which a column has to have a value.

    An inferred schema calls a column present in all rows where the examples name it, if only
    without a value.

    Args:
        feature: The column in a schema.
    """
    required = feature.value_count.min or feature.HasField("shape")
    return float(feature.presence.min_fraction) if required else 0.0


def of_presence(schema: schema_pb2.Schema, statistics: SplitStatistics) -> Iterator[Finding]:
    """Checks that columns have values in as many rows as the schema asks for.

    Args:
        schema: `presence.min_fraction` counts where there is a `shape` or `value_count.min`
            is 1, as `required_share` says; `presence.min_count` counts always.
        statistics: One split's statistics.
    """
    for feature in schema.feature:
        if feature.name not in statistics.columns:
            continue
        missing, rows = statistics.missing(feature.name), statistics.rows
        share = required_share(feature)
        words = f"a value in at least {share:.0%} of the rows" if share else "a value in some row"
        if rows - missing < max(share * rows, feature.presence.min_count):
            found = f"no value in {missing:,} of {counted(rows, 'row')}"
            yield Finding(statistics.split, feature.name, "missing_values", words, found)


def of_label(target: Target, statistics: SplitStatistics) -> Iterator[Finding]:
    """Checks that the label is there, and what the task needs.

    Args:
        target: What the recipe wants to learn.
        statistics: One split's statistics.
    """
    split, rows, label = statistics.split, statistics.rows, target.label.name

    def finding(expected: str, found: str) -> Finding:
        return Finding(split, label, "label", expected, found)

    if label not in statistics.columns:
        yield finding("the label in every row", "no such column")
        return
    missing = statistics.missing(label)
    if missing:
        yield finding(
            "the label in every row", f"no label in {missing:,} of {counted(rows, 'row')}"
        )
    if missing == rows:
        return
    bounds = statistics.bounds(label)
    if bounds is not None:
        more = statistics.has_more_than_two(label)
        yield from (finding(*words) for words in _numeric_label(target, bounds, more, rows))
    else:
        counts = statistics.counts(label)
        yield from (finding(*words) for words in _text_label(target, counts, rows))


def of_weight(column: str, statistics: SplitStatistics) -> Iterator[Finding]:
    """Checks that rows can be weighed: a number of 0 or more in each.

    Args:
        column: The weights' name in the examples.
        statistics: One split's statistics.
    """
    split, rows = statistics.split, statistics.rows
    missing = statistics.missing(column)
    if missing:
        found = f"none in {missing:,} of {counted(rows, 'row')}"
        yield Finding(split, column, "missing_values", "a weight in every row", found)
    bounds = statistics.bounds(column) if missing < rows else None
    if bounds and (bounds[0] < 0 or bounds[1] == 0):
        found = f"weights from {bounds[0]:g} to {bounds[1]:g} in {counted(rows, 'row')}"
        yield Finding(split, column, "out_of_range", "weights of 0 or more, not all 0", found)


def _numeric_label(
    target: Target, bounds: tuple[float, float], more: bool, rows: int
) -> Iterator[tuple[str, str]]:
    low, high = bounds
    positive = target.label.positive
    if target.task == "text":
        yield "text", f"numbers in {counted(rows, 'row')}"
    elif low == high:
        yield "more than one value", f"the single value {_number(low)} in {counted(rows, 'row')}"
    elif target.task != "binary":
        return
    elif positive is None and (low, high) != (0, 1):
        yield (
            "0 and 1 for a binary task, or `label.positive`: which of two values counts as 1",
            f"values from {_number(low)} to {_number(high)} in {counted(rows, 'row')}",
        )
    elif more:
        found = f"{_number(low)}, {_number(high)} and values between them in {counted(rows, 'row')}"
        yield "two values for a binary task", found
    elif positive is not None and not any(is_same(positive, np.float32(x)) for x in bounds):
        yield _positive(positive), f"{_number(low)} and {_number(high)} in {counted(rows, 'row')}"


def _text_label(target: Target, counts: dict[str, int], rows: int) -> Iterator[tuple[str, str]]:
    task, positive = target.task, target.label.positive
    if task == "regression":
        yield "a number for a regression", f"text in {counted(rows, 'row')}"
    elif task == "text":
        return
    elif len(counts) == 1:
        yield (
            "more than one value",
            f"the single value {next(iter(counts))!r} in {counted(rows, 'row')}",
        )
    elif task == "binary" and len(counts) > 2:
        shown = ", ".join(map(repr, list(counts)[:5]))
        alike = spellings.warning(target.label.name, counts)
        found = f"{counted(len(counts), 'value')} ({shown}) in {counted(rows, 'row')}"
        yield "two values for a binary task", f"{found}; {alike}" if alike else found
    elif positive is not None and not any(is_same(positive, text) for text in counts):
        yield _positive(positive), f"{' and '.join(map(repr, counts))} in {counted(rows, 'row')}"


def _positive(value: str) -> str:
    return f"the value {value!r}, which `label.positive` names"


def _number(value: float) -> str:
    return canonical_text(value)


def of_digits(lost: Iterable[Lost], labels: Collection[str]) -> Iterator[Finding]:
    """Names the columns whose values a tf.Example cannot tell apart.

    Args:
        lost: What ExampleGen counted, over all splits.
        labels: Of what is predicted: without their digits they cannot be learnt or judged. A
            series that is a label too counts as one.
    """
    for each in lost:
        kind: Anomaly = "label" if each.is_label or each.column in labels else "lost_digits"
        expected = f"values that a 32-bit float tells apart ({REMEDY})"
        yield Finding(ALL_SPLITS, each.column, kind, expected, each.words)


def of_size(gate: Gate, statistics: SplitStatistics) -> Iterator[Finding]:
    """Checks that a split has rows enough to mean anything."""
    if statistics.rows < gate.min_rows:
        wanted = f"at least {counted(gate.min_rows, 'row')} (gate.min_rows)"
        yield Finding(statistics.split, "", "too_few_rows", wanted, counted(statistics.rows, "row"))
