"""How a table is read: which texts are numbers or codes, and which rows have a label."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainyard.components.example_gen import column_types, lookalikes, number_formats, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.lost_marks import has_leading_zeros
from trainyard.components.example_gen.number_guess import (
    Guess,
    guess,
    is_ambiguous_decimal,
    is_plain_number,
    unsupported,
)
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError, RecipeError, nearest_column
from trainyard.pipeline.starter import sampling
from trainyard.recipe_schema import Data, Numbers

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_INTEGER, _FLOAT, _TEXT = ColumnType.INTEGER, ColumnType.FLOAT, ColumnType.TEXT
_MISSING = re.compile(
    r"-{1,3}|\.|#?n/?a|n\.a\.|nan|none|null|nil|unknown|missing|undefined|tbd|not available",
    re.IGNORECASE,
)
"""What else people write where a number is missing."""

_A_CLASS = "None"  # of the words for a missing value the one that people mean as a class


@dataclass(frozen=True)
class Reading:
    """The rows of a table that have a label, and what a recipe says so that they are read so.

    Attributes:
        frame: A sample, spread evenly over the whole table; each column of its type.
        rows: How many rows of the table have a label.
        complete: Whether the sample has them all.
        unlabelled: How many rows have no label.
        no_label: The words that stand where there is none.
        none_is_class: Whether `None` is a class of the label.
        missing: What stands for a missing value beyond what usually does.
        guesses: How numbers are written, of the columns where that is not plain.
        doubtful: For columns that may be meant otherwise than they are read, a warning.
        codes: Columns of digits that are text.
        unread: Columns that are not read, with their types.
        copies: Sentences about rows that are copies of others.
    """

    frame: pd.DataFrame
    rows: int
    complete: bool
    unlabelled: int
    no_label: Sequence[str]
    none_is_class: bool
    missing: Sequence[str]
    guesses: Mapping[str, Guess]
    doubtful: Mapping[str, str]
    codes: Sequence[str]
    unread: Mapping[str, str]
    copies: Sequence[str]


@dataclass(frozen=True)
class Note:
    """What was assumed of a column when it was read.

    Attributes:
        reason: For the comment beside the column.
        warning: What the user should check; empty if there is no doubt.
    """

    reason: str
    warning: str = ""


def notes_of(reading: Reading) -> dict[str, Note]:
    """Says of columns what was assumed.

    Args:
        reading: What was read.
    """
    codes = {name: Note("digits with leading zeros, hence text") for name in reading.codes}
    doubts = {name: Note("", warning) for name, warning in reading.doubtful.items()}
    return doubts | codes | {name: _note(name, found) for name, found in reading.guesses.items()}


def _note(name: str, found: Guess) -> Note:
    example = found.form.example
    if not found.other:
        return Note(f"numbers such as {example}")
    return Note(
        f"numbers such as {example}",
        f"column {name!r} is read as numbers such as {example}; the marks could mean something "
        f"else too, the first {found.other}: if so, change `data.numbers`",
    )


def _point_warning(name: str) -> str:
    return (
        f"the numbers in column {name!r} have three decimals or none: if the point stands between "
        'thousands, write `numbers: {columns: {NAME: {thousands: ".", decimal: ","}}}` in `data`'
    )


def read(data: Data, label: str) -> Reading:
    """Reads a table and decides what its columns hold.

    Args:
        data: Where it is; its format, delimiter and encoding.
        label: The column to predict.

    Raises:
        RecipeError: The label is no column of the table.
        DataError: The table cannot be read, or no row has a label.
    """
    files = reader.find(data.path or "")
    types, unread = reader.columns(data, files), reader.unread(data, files)
    _check_label(data, label, types, unread)
    words = [word for word in data.missing if word] if data.format == "csv" else []
    sample = sampling.take(_as_it_stands(data, files, types, label, words), label, words)
    none_is_class = sample.unlabelled[_A_CLASS] > 0 and types[label] is _TEXT
    missing = [word for word in words if not (none_is_class and word == _A_CLASS)]
    unlabelled = sum(sample.unlabelled[word] for word in (None, *missing))
    if unlabelled == sample.rows:
        raise DataError(f"the label {label!r} has no value in any row", where=str(data.path))
    table = _labelled(sample.table, label, missing)
    texts = {name: _different_texts(table[name]) for name in table.column_names}
    if data.format == "csv" and (more := _more_missing(texts, types, label)):
        wider = data.model_copy(update={"missing": (*data.missing, *more)})
        return replace(read(wider, label), missing=more)
    codes = [n for n in texts if types[n] is _INTEGER and has_leading_zeros(texts[n])]
    guesses = {n: found for n in texts if types[n] is _TEXT and (found := guess(texts[n]))}
    types = {**types, **dict.fromkeys(codes, _TEXT), **dict.fromkeys(guesses, _FLOAT)}
    return Reading(
        frame=_frame(table, types, guesses),
        rows=sample.rows - unlabelled,
        complete=sample.complete,
        unlabelled=unlabelled,
        no_label=[word for word in missing if sample.unlabelled[word]],
        none_is_class=none_is_class,
        missing=(),
        guesses=guesses,
        doubtful=_doubtful(texts, types, guesses),
        codes=codes,
        unread=unread,
        copies=sample.copies,
    )


def _doubtful(
    texts: Mapping[str, Sequence[str]],
    types: Mapping[str, ColumnType],
    guesses: Collection[str],
) -> dict[str, str]:
    """Warnings of what columns may be meant as."""
    warnings = {}
    for name, values in texts.items():
        if types[name] is _FLOAT and is_ambiguous_decimal(values):
            warnings[name] = _point_warning(name)
        elif types[name] in (_INTEGER, _FLOAT) and name not in guesses:
            warnings[name] = lookalikes.lost(name, values)
        elif types[name] is _TEXT:
            warnings[name] = lookalikes.unsupported(name, values)
    return {name: warning for name, warning in warnings.items() if warning}


def _more_missing(
    texts: Mapping[str, Sequence[str]], types: Mapping[str, ColumnType], label: str
) -> list[str]:
    """What stands in columns of numbers where there is none."""
    found: dict[str, None] = {}
    for name, values in texts.items():
        words = {text for text in values if _MISSING.fullmatch(text)}
        if not words or name == label or types[name] is not _TEXT:
            continue
        others = [text for text in values if text not in words]
        if others and _are_numbers(others):
            found |= dict.fromkeys(sorted(words))
    return [word for word in found if word not in texts[label]]


def _are_numbers(texts: Sequence[str]) -> bool:
    """Whether they are numbers, written in whatever way."""
    return bool(guess(texts) or all(map(is_plain_number, texts)) or unsupported(texts))


def _check_label(
    data: Data, label: str, types: Mapping[str, ColumnType], unread: Mapping[str, str]
) -> None:
    if label in unread:
        raise DataError(
            f"the label {label!r} holds {unread[label]}, which is not one value a row",
            expected="a column of numbers or classes",
        )
    if label not in types:
        raise RecipeError(
            f"{data.path} has no column {label!r}",
            where="--label",
            hint=nearest_column(label, types),
        )


def _as_it_stands(
    data: Data,
    files: Sequence[Path],
    types: Mapping[str, ColumnType],
    label: str,
    words: Sequence[str],
) -> Iterator[Block]:
    """The rows; of CSV all columns as text, and the label's words for a missing value too."""
    if data.format == "csv":
        data = data.model_copy(update={"not_missing": {label: tuple(words)}})
        types = dict.fromkeys(types, ColumnType.TEXT)
    yield from reader.blocks(data, files, types)


def _labelled(table: pa.Table, label: str, missing: Sequence[str]) -> pa.Table:
    """The rows that have a label."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = table[label]
    is_label = values.is_valid()
    if column_types.is_text(values.type):
        words = pa.array(missing, pa.string())
        is_label = pc.and_(is_label, pc.invert(pc.is_in(values, words)))
    return table.filter(is_label)


def _different_texts(values: pa.ChunkedArray) -> list[str]:
    """The different values of a column of text; none of another."""
    if not column_types.is_text(values.type):
        return []
    return [text for text in values.unique().to_pylist() if text is not None]


def _frame(
    table: pa.Table, types: Mapping[str, ColumnType], guesses: Mapping[str, Guess]
) -> pd.DataFrame:
    import pandas as pd

    numbers = Numbers(columns={name: found.form for name, found in guesses.items()})
    data = Data(path="", numbers=numbers)
    columns = {}
    for name in table.column_names:
        values = table[name].combine_chunks()
        if column_types.is_text(values.type) and not column_types.is_text(types[name].arrow):
            values = number_formats.plain(data, name, values, types[name])
            values = column_types.from_text(values, types[name])
        columns[name] = _finite(values.to_pandas(), name)
    return pd.DataFrame(columns)


def _finite(values: pd.Series, name: str) -> pd.Series:
    import numpy as np

    if values.dtype.kind == "f" and np.isinf(values).any():
        raise DataError(
            f"column {name!r} holds an infinite number",
            expected="finite numbers",
            received=str(values[np.isinf(values)].iloc[0]),
            hint="correct it, or leave the field empty if the value is not known",
        )
    return values
