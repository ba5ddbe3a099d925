"""From numbers of 64 bits, as files have them, to those of tf.Examples: floats have 32 there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from trainyard.components.example_gen import (
    column_types,
    derived_label,
    lost_digits,
    number_types,
    reader,
)
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.lost_digits import Lost, Suspect, Watch
from trainyard.components.example_gen.number_types import Numbers
from trainyard.components.example_gen.reader import Block
from trainyard.recipe_schema import (
    Data,
    Feature,
    Label,
    SeriesFeature,
    TableFeature,
    input_columns,
)

_AS_NUMBERS = {
    "auto": number_types.NUMERIC,
    "numeric": number_types.NUMERIC,
    "bucketized": number_types.EXACT,
}
_NUMBERS = (ColumnType.INTEGER, ColumnType.FLOAT)


@dataclass(frozen=True)
class Narrowing:
    """How blocks become what examples hold, and what that loses.

    Attributes:
        types: In what type the examples hold each column of numbers.
        watch: Counts what is lost.
    """

    types: Mapping[str, ColumnType]
    watch: Watch

    @classmethod
    def of(
        cls,
        data: Data,
        labels: Mapping[str, Label],
        features: Mapping[str, Feature] | None,
        types: Mapping[str, ColumnType],
        numbers: Mapping[str, Numbers],
    ) -> Narrowing:
        """Decides over all rows.

        Args:
            data: The recipe's data section.
            labels: The recipe's labels.
            features: The recipe's features; None: numbers keep the types of the files.
            types: From `reader.survey`, as `numbers`.
            numbers: What the columns are like.
        """
        if features is None:
            return cls({}, Watch({}))
        kinds = _kinds(data, labels, features, list(types))
        curated = _curated(data)
        uses = {n: _AS_NUMBERS[k] for n, k in kinds.items() if k in _AS_NUMBERS}
        exact = {name: number_types.EXACT for name in data.keys if name in uses}
        chosen = number_types.chosen(types, numbers, uses | exact, curated)
        matters = {name: lost_digits.MATTERS if name in uses else 0.0 for name in kinds}
        matters |= {label.name: lost_digits.MATTERS for label in labels.values()}
        suspects = lost_digits.suspects(chosen, numbers, matters)
        derived = [label.name for label in labels.values() if label.name not in types]
        suspects |= dict.fromkeys(derived, Suspect(lost_digits.MATTERS))
        suspects |= _uncentred(data, labels, {n: features.get(n) for n in kinds}, types, numbers)
        return cls(chosen, Watch(suspects))

    def narrowed(self, block: Block) -> Block:
        """Returns the block as it is to be encoded.

        Args:
            block: As it was read, with the labels that were computed.
        """
        self.watch.add(block.batch)
        return dataclasses.replace(block, batch=number_types.converted(block.batch, self.types))

    @property
    def lost(self) -> list[Lost]:
        """The columns of the blocks so far that lost values."""
        return self.watch.found()


def lost_at_first(
    data: Data,
    labels: Mapping[str, Label],
    features: Mapping[str, Feature],
    first: reader.First,
) -> list[Lost]:
    """Looks at the first block only: quick, provisional.

    Args:
        data: The recipe's data section.
        labels: The recipe's labels, by their keys in it.
        features: The recipe's features.
        first: The beginning of the input.
    """
    block = first.block
    columns = zip(block.batch.schema, block.batch.columns, strict=True)
    numbers = {f.name: Numbers.of(column) for f, column in columns if _is_number(f.type)}
    narrowing = Narrowing.of(data, labels, features, first.types, numbers)
    for key, label in labels.items():
        # A row without a result is the run's to tell: it may be one that the recipe leaves out.
        block = derived_label.append(label, block, key=key, on_bad_row="quarantine")
    narrowing.narrowed(block)
    return narrowing.lost


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _kinds(
    data: Data, labels: Mapping[str, Label], features: Mapping[str, Feature], columns: list[str]
) -> dict[str, str]:
    inputs = input_columns([*labels.values()], data.weight, features, columns)
    return {name: features[name].kind if name in features else "auto" for name in inputs}


def _uncentred(
    data: Data,
    labels: Mapping[str, Label],
    inputs: Mapping[str, Feature | None],
    types: Mapping[str, ColumnType],
    numbers: Mapping[str, Numbers],
) -> dict[str, Suspect]:
    """The inputs that are narrowed before they are centred, or never are.

    Of whole numbers that are never centred all digits count: they may be codes or times.
    """
    found = {}
    for name, feature in inputs.items():
        source = data.series.value if data.series and name == data.series.column else name
        is_bare = _is_bare(feature)
        if types.get(source) not in _NUMBERS or not (is_bare or source != name):
            continue
        known = numbers.get(source)
        whole = known.whole if known else types[source] is ColumnType.INTEGER
        limit = number_types.EXACT if is_bare and whole else lost_digits.MATTERS
        if known is None or known.rounded(limit):
            is_label = source != name and _is_predicted(source, labels)
            found[name] = Suspect(limit, source, is_label)
    return found


def _is_bare(feature: Feature | None) -> bool:
    if isinstance(feature, TableFeature) and feature.kind not in ("auto", "numeric"):
        return False
    return isinstance(feature, TableFeature | SeriesFeature) and feature.scaling == "none"


def _is_predicted(column: str, labels: Mapping[str, Label]) -> bool:
    return any(column in label.parsed.columns for label in labels.values())


def _curated(data: Data) -> dict[str, ColumnType]:
    return {} if data.schema_file == "infer" else column_types.schema_types(Path(data.schema_file))
