"""The report's sections on the data: splits, columns, label, findings, schema."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from markupsafe import Markup
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from trainyard.components.example_gen import left_out, quarantine
from trainyard.components.example_gen.division import Division
from trainyard.components.gate.anomalies import required_share
from trainyard.pipeline import metadata
from trainyard.pipeline.measured import number
from trainyard.pipeline.records import RunRecord
from trainyard.pipeline.report import histograms
from trainyard.pipeline.report.images import ImagesSection, images_section
from trainyard.pipeline.report.texts import TextColumn, text_columns
from trainyard.pipeline.verdict import finished_output
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe, Target

MOST_COLUMNS = 60
MOST_VALUES = 5
MOST_CLASSES = 30
MOST_CHARACTERS = 120
_SPLIT_ORDER = ("train", "eval", "test")
_KINDS = {"bytes": "text", "int": "whole number", "float": "number"}

Statistics = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One raw column.

    Attributes:
        name: Its name.
        role: `label`, `input`, `weight` or `not used`.
        missing: Rows without a value, in words.
        values: What its values are like, in words, of the training split.
        pictures: A small histogram for each split.
    """

    name: str
    role: str
    missing: str
    values: str
    pictures: list[Markup]


@dataclass(frozen=True)
class LabelClass:
    """One class of the label: its share of each split, by split."""

    name: str
    shares: dict[str, float]


@dataclass(frozen=True)
class LabelSection:
    """What the report says of one label.

    Attributes:
        name: Its name.
        expression: What it is computed from; empty for a column as it stands.
        classes: The first of its classes; empty for regression.
        class_count: How many there are.
        pictures: For regression: its values in words and a histogram, by split.
    """

    name: str
    expression: str
    classes: list[LabelClass]
    class_count: int
    pictures: dict[str, tuple[str, Markup]]


@dataclass(frozen=True)
class DataSection:
    """All that the report says of the data.

    Attributes:
        rows: Rows by split.
        columns: The first columns.
        column_count: How many there are.
        labels: The labels.
        set_aside: The rows that could not be read and are in no split.
        left_out: The rows that the recipe did not want, in words; empty if there are none.
        copies: The rows that stand there twice, likewise.
        images: The images, if there are any.
        texts: The columns of text that a model reads, once they are tokens.
    """

    rows: dict[str, int] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=list)
    column_count: int = 0
    labels: list[LabelSection] = field(default_factory=list)
    set_aside: quarantine.Summary | None = None
    left_out: str = ""
    copies: str = ""
    images: ImagesSection | None = None
    texts: list[TextColumn] = field(default_factory=list)


def data_section(record: RunRecord, recipe: Recipe) -> DataSection | None:
    """Reads the statistics of all splits; None if there are none."""
    splits = _statistics(finished_output(record, "StatisticsGen", "statistics"))
    if not splits:
        return None
    examples = finished_output(record, "ExampleGen", "examples")
    by_column = {split: _features(stats) for split, stats in splits.items()}
    names = list(dict.fromkeys(name for columns in by_column.values() for name in columns))
    targets = {head.label.name: head for head in recipe.heads.values()}
    names.sort(key=lambda name: name not in targets)
    # Texts to be written are no classes: the columns tell of them.
    labels = [_label(target, by_column) for target in targets.values() if target.task != "text"]
    roles = dict.fromkeys(recipe.input_columns(names), "input")
    roles |= dict.fromkeys(targets, "label") | {recipe.data.weight or "": "weight"}
    properties = metadata.properties(Workspace.of(recipe).metadata, str(examples or ""))
    return DataSection(
        rows={split: int(stats.num_examples) for split, stats in splits.items()},
        columns=[
            _column(name, roles.get(name, "not used"), by_column, splits)
            for name in names[:MOST_COLUMNS]
        ],
        column_count=len(names),
        labels=labels,
        set_aside=quarantine.read(examples) if examples else None,
        left_out=left_out.sentence(left_out.read(properties)),
        copies=Division.read(properties).copies.sentence(),
        images=_images(examples, by_column, recipe, labels, properties) if examples else None,
        texts=text_columns(record, recipe),
    )


def _label(target: Target, by_column: Mapping[str, Mapping[str, Any]]) -> LabelSection:
    label, is_number = target.label, target.task == "regression"
    classes = [] if is_number else list(_classes(label.name, by_column))
    return LabelSection(
        name=label.name,
        expression="" if label.is_column else label.expression,
        classes=classes[:MOST_CLASSES],
        class_count=len(classes),
        pictures=_label_pictures(label.name, by_column) if is_number else {},
    )


def _images(
    examples: Path,
    by_column: Mapping[str, Mapping[str, Any]],
    recipe: Recipe,
    labels: Sequence[LabelSection],
    properties: Mapping[str, str],
) -> ImagesSection | None:
    split, features = next(iter(by_column.items()))
    names = next(([each.name for each in label.classes] for label in labels if label.classes), [])
    return images_section(examples / f"Split-{split}", features, recipe, names, properties)


def _statistics(folder: Path | None) -> Statistics:
    """`DatasetFeatureStatistics` by split; a file holds one data set."""
    found: Statistics = {}
    for file in folder.glob("Split-*/FeatureStats.pb") if folder else ():
        loaded = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
        found |= {file.parent.name.removeprefix("Split-"): entry for entry in loaded.datasets}
    return dict(sorted(found.items(), key=lambda item: _split_rank(item[0])))


def _split_rank(split: str) -> tuple[int, str]:
    known = _SPLIT_ORDER.index(split) if split in _SPLIT_ORDER else len(_SPLIT_ORDER)
    return known, split


def _features(statistics: Any) -> dict[str, Any]:
    return {feature.name or ".".join(feature.path.step): feature for feature in statistics.features}


def _column(
    name: str, role: str, by_column: Mapping[str, Mapping[str, Any]], splits: Statistics
) -> Column:
    found = {split: columns[name] for split, columns in by_column.items() if name in columns}
    first = next(iter(found.values()))
    return Column(
        name=name,
        role=role,
        missing=_missing({split: _share(found.get(split), splits[split]) for split in splits}),
        values=_values(first) if _present(first) else "no values",
        pictures=list(_pictures(found, name).values()),
    )


def _share(feature: Any, statistics: Any) -> float:
    rows = statistics.num_examples or 1
    return 1.0 if feature is None else 1.0 - _present(feature) / rows


def _present(feature: Any) -> int:
    """Rows with a value. TFDV takes an empty list, as ExampleGen writes it, for one."""
    common = _common(feature)
    return int(common.num_non_missing if common.max_num_values > 1 else common.tot_num_values)


def _common(feature: Any) -> Any:
    kind = feature.WhichOneof("stats")
    return getattr(feature, kind).common_stats


def _missing(shares: Mapping[str, float]) -> str:
    percents = {split: _percent(share) for split, share in shares.items() if share > 1e-12}
    if not percents:
        return "none"
    if len(set(percents.values())) == 1 and len(percents) == len(shares):
        return next(iter(percents.values()))
    return ", ".join(f"{split} {percent}" for split, percent in percents.items())


def _percent(share: float) -> str:
    return "< 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _values(feature: Any) -> str:
    if feature.HasField("bytes_stats"):
        return f"{feature.bytes_stats.avg_num_bytes:,.0f} bytes on average"
    return _numbers(feature.num_stats) if feature.HasField("num_stats") else _texts(feature)


def _numbers(stats: Any) -> str:
    return (
        f"{number(stats.mean)} ± {number(stats.std_dev)}, "
        f"from {number(stats.min)} to {number(stats.max)}"
    )


def _texts(feature: Any) -> str:
    stats = feature.string_stats
    total = _present(feature) or 1
    if _hardly_repeats(feature):
        some = [_printable(value.value) for value in stats.top_values[:1]]
        return ", such as ".join([f"{stats.unique:,} different", *some])
    top = [f"{value.value} ({_percent(value.frequency / total)})" for value in stats.top_values]
    shown = ", ".join(top[:MOST_VALUES])
    return f"{stats.unique:,} different: {shown}" if stats.unique > MOST_VALUES else shown


def _hardly_repeats(feature: Any) -> bool:
    """Whether most values occur once, as free texts, names and dates do."""
    unique = feature.string_stats.unique
    return bool(unique > max(MOST_VALUES, _present(feature) / 2))


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


def _pictures(found: Mapping[str, Any], name: str) -> dict[str, Markup]:
    if any(
        feature.HasField("bytes_stats") or _is_of_its_own(feature) for feature in found.values()
    ):
        return {}  # bars of one height, or none
    return histograms.of_splits(found, name)


def _is_of_its_own(feature: Any) -> bool:
    return feature.HasField("string_stats") and _hardly_repeats(feature)


def _classes(label: str, by_column: Mapping[str, Mapping[str, Any]]) -> Iterator[LabelClass]:
    counts = {
        split: _class_counts(columns[label])
        for split, columns in by_column.items()
        if label in columns
    }
    names = dict.fromkeys(name for split in counts.values() for name in split)
    for name in sorted(names, key=lambda name: (len(name), name) if name.isdigit() else (0, name)):
        shares = {
            split: count.get(name, 0.0) / (sum(count.values()) or 1.0)
            for split, count in counts.items()
        }
        yield LabelClass(name, shares)


def _class_counts(feature: Any) -> dict[str, float]:
    """Counts by class: exact for text and for two numbers, else within about a percent."""
    if not feature.HasField("num_stats"):
        buckets = feature.string_stats.rank_histogram.buckets
        return {bucket.label: bucket.sample_count for bucket in buckets}
    stats = feature.num_stats
    low, high = stats.min, stats.max
    if feature.type != statistics_pb2.FeatureNameStatistics.INT:
        return {}
    if high - low == 1:
        share = stats.mean - low
        return {f"{low:.0f}": 1.0 - share, f"{high:.0f}": share}
    return _nearest_counts(feature) if high - low < 10 else {}


def _nearest_counts(feature: Any) -> dict[str, float]:
    # Ten buckets over less than ten whole numbers: TFDV leaves crumbs in those between them.
    counts: dict[int, float] = {}
    for bucket in histograms.standard(feature):
        within = range(math.ceil(bucket.low_value), math.floor(bucket.high_value) + 1)
        middle = (bucket.low_value + bucket.high_value) / 2
        nearest = min(within, key=lambda whole: abs(whole - middle), default=round(middle))
        counts[nearest] = counts.get(nearest, 0.0) + bucket.sample_count
    return {str(whole): count for whole, count in sorted(counts.items()) if round(count)}


def _label_pictures(
    label: str, by_column: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[str, Markup]]:
    found = {split: columns[label] for split, columns in by_column.items() if label in columns}
    pictures = histograms.of_splits(found, label)
    return {split: (_numbers(each.num_stats), pictures[split]) for split, each in found.items()}


def gate_findings(record: RunRecord) -> list[dict[str, Any]] | None:
    """What the gate, or if it stopped the run ExampleValidator, found; None if neither ran."""
    folder = finished_output(record, "Gate", "findings")
    if folder and (folder / "gate.json").exists():
        return list(json.loads((folder / "gate.json").read_text("utf-8")))
    folder = finished_output(record, "ExampleValidator", "anomalies")
    return [*_anomalies(folder)] if folder else None


def _anomalies(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("Split-*/SchemaDiff.pb")):
        split = file.parent.name.removeprefix("Split-")
        for column, info in anomalies_pb2.Anomalies.FromString(
            file.read_bytes()
        ).anomaly_info.items():
            kind = anomalies_pb2.AnomalyInfo.Type.Name(info.reason[0].type) if info.reason else ""
            message = f"column {column!r} ({split}): {info.short_description}"
            yield {"split": split, "column": column, "kind": kind.lower(), "message": message}


@dataclass(frozen=True)
class SchemaRow:
    """What the schema asks of the columns that it asks the same of, in words."""

    names: str
    kind: str
    presence: str
    domain: str


def schema_rows(record: RunRecord, recipe: Recipe) -> tuple[list[SchemaRow], int]:
    """The first columns of the schema, alike ones together, and how many there are."""
    folder = finished_output(record, "SchemaGen", "schema")
    files = sorted(folder.glob("*.pbtxt")) if folder else []
    if not files:
        return [], 0
    schema = text_format.Parse(files[0].read_text("utf-8"), schema_pb2.Schema())
    encoded = {images.column for images in recipe.data.images}
    domains = {domain.name: list(domain.value) for domain in schema.string_domain}
    alike: dict[tuple[str, str, str], list[str]] = {}
    for feature in schema.feature[:MOST_COLUMNS]:
        kind = schema_pb2.FeatureType.Name(feature.type).lower()
        known = "image" if feature.name in encoded else _KINDS.get(kind, kind)
        asked = (known, _presence(feature), _domain(feature, domains))
        alike.setdefault(asked, []).append(_shortened(feature.name))
    rows = [SchemaRow(", ".join(names), *asked) for asked, names in alike.items()]
    return rows, len(schema.feature)


def _shortened(name: str) -> str:
    return name if len(name) <= MOST_CHARACTERS else f"{name[: MOST_CHARACTERS - 1]}…"


def _presence(feature: Any) -> str:
    least = required_share(feature)
    if least == 1:
        return "required"
    return f"in at least {100 * least:.3g} % of the rows" if least else "may be missing"


def _domain(feature: Any, named: Mapping[str, Sequence[str]]) -> str:
    kind = feature.WhichOneof("domain_info")
    if kind in ("int_domain", "float_domain"):
        domain = getattr(feature, kind)
        ends = {"from": "min", "to": "max"}
        return " ".join(
            f"{word} {number(getattr(domain, end))}"
            for word, end in ends.items()
            if domain.HasField(end)
        )
    values = named.get(feature.domain, list(feature.string_domain.value))
    more = f" and {len(values) - 8:,} more" if len(values) > 8 else ""
    return ", ".join(values[:8]) + more
