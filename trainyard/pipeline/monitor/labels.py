"""Labels that become known later, joined by a key with what was answered."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from trainyard.components.example_gen import column_types, number_formats
from trainyard.errors import DataError, RecipeError, nearest_column
from trainyard.pipeline import prediction_files
from trainyard.pipeline.monitor.keys import key_text, sent_kind
from trainyard.raw_values import canonical_text, whole_number
from trainyard.recipe_schema import Data
from trainyard.serving.monitor.rows import Rows
from trainyard.trainer_modules.harness.description import RawType
from trainyard.wording import counted

_TRUTH = {"true": "1", "false": "0"}
_FEWEST_MATCHES = 0.01
"""Of the labels or of the keys in the window, whichever are fewer; else the keys do not fit."""

Key = tuple[str, ...]


class Joined(NamedTuple):
    """Rows of requests with the labels that are known.

    Attributes:
        rows: The requests; labels that are not known are null.
        note: What was joined and what was not, in words.
    """

    rows: Rows
    note: str


@dataclass
class _Found:
    """The labels that are of a request, by key, and what became of the others."""

    labels: dict[Key, tuple[Any, ...]] = field(default_factory=dict)
    repeated: int = 0
    unmatched: int = 0


def keys_of(data: Data, named: Sequence[str]) -> tuple[str, ...]:
    """Says which columns join labels with requests.

    Args:
        data: The recipe's data section.
        named: What the command line says.

    Raises:
        RecipeError: Neither says one, or the recipe's key has several.
    """
    if named or len(data.keys) == 1:
        return tuple(named or data.keys)
    raise RecipeError(
        "no column is known by which labels are joined with requests",
        where="data.key",
        received=", ".join(data.keys) or "none",
        hint="name one that requests carry: --key COLUMN; or several that are a key together: "
        "--key COLUMN --key COLUMN",
    )


def joined(
    rows: Rows,
    file: Path,
    data: Data,
    keys: Mapping[str, RawType | None],
    types: Mapping[str, RawType],
    sampled: float = 1.0,
) -> Joined:
    """Adds the labels that are known by now; null where they are not.

    Args:
        rows: Of requests, the keys among their columns.
        file: CSV or Parquet with the keys and the labels.
        data: How CSV and the numbers in text are written; `data.numbers` counts as in training.
        keys: The columns that join, together, with their types in training; None where it does
            not know them.
        types: What is read from the file: type by label.
        sampled: The share of the window's rows that these are.

    Raises:
        DataError: A column is missing, a key occurs twice with different labels, a label is of
            another type, or hardly any key is that of a request.
    """
    kinds = {name: kind or sent_kind(_sent(rows, name)) for name, kind in keys.items()}
    asked = list(_keys({name: _sent(rows, name) for name in kinds}, kinds))
    wanted = {each for each in asked if all(each)}
    found = _read(file, data, kinds, types, wanted)
    _check_matches(found, wanted, file, tuple(keys), sampled)
    columns = {
        label: pa.array(
            [found.labels[k][place] if k in found.labels else None for k in asked], _arrow(kind)
        )
        for place, (label, kind) in enumerate(types.items())
    }
    return Joined(rows.with_columns({**rows.columns, **columns}), _note(asked, found))


def _check_matches(
    found: _Found, wanted: Collection[Key], file: Path, keys: Sequence[str], sampled: float
) -> None:
    possible = min(len(wanted), len(found.labels) + found.unmatched)
    if found.labels and len(found.labels) >= _FEWEST_MATCHES * sampled * possible:
        return
    some = "none" if not found.labels else f"only {len(found.labels):,} of {possible:,}"
    examples = (" and ".join(key) for key in sorted(wanted)[:3])
    raise DataError(
        f"{some} of the labels is of a request in the window",
        where=str(file),
        expected=f"keys such as {', '.join(examples)}",
        hint=f"is {' and '.join(map(repr, keys))} the same in requests and labels, and the window "
        "large enough?",
    )


def _note(asked: Sequence[Key], found: _Found) -> str:
    labelled = sum(key in found.labels for key in asked)
    without = sum(not all(key) for key in asked)
    parts = [
        f"Labels: {labelled:,} of {counted(len(asked), 'row')} that were looked at have one by now",
        f"rows without a key: {without:,}" if without else "",
        f"labels of none of these rows: {found.unmatched:,}" if found.unmatched else "",
        f"repeated labels: {found.repeated:,}" if found.repeated else "",
    ]
    return "; ".join(filter(None, parts)) + "."


def _sent(rows: Rows, name: str) -> pa.Array:
    values = rows.columns.get(name)
    if values is not None and values.null_count < len(values):
        return values
    raise DataError(
        f"no request in the window carries the column {name!r}",
        expected="a key by which labels are joined with requests",
        received=", ".join(name for name, v in rows.columns.items() if v.null_count < len(v)),
        hint="send it along in tf.Examples (serving_default), which may have columns that the "
        "model does not look at; or name another: --key COLUMN",
    )


def _read(
    file: Path,
    data: Data,
    keys: Mapping[str, RawType],
    types: Mapping[str, RawType],
    wanted: Collection[Key],
) -> _Found:
    """The labels of the keys that are wanted, each once; the file may be of any size."""
    found = _Found()
    for key, where, values in _rows(file, data, keys, types):
        if key not in wanted:
            found.unmatched += 1
            continue
        row = tuple(
            None if value is None else _converted(value, column, where, data)
            for value, column in zip(values, types.items(), strict=True)
        )
        if found.labels.setdefault(key, row) != row:
            raise DataError(f"the key {' and '.join(key)!r} has two labels", where=where)
        found.repeated += found.labels[key] is not row
    return found


def _rows(
    file: Path, data: Data, keys: Mapping[str, RawType], types: Mapping[str, RawType]
) -> Iterator[tuple[Key, str, list[Any]]]:
    """The rows of the file that have any label: their key, place, and labels as they stand."""
    data = data.model_copy(update={"format": prediction_files.format_of(file), "header": ()})
    _check_columns(file, prediction_files.columns(data, file), [*keys, *types])
    for block in prediction_files.blocks(data, file):
        fields = {n: _plain_key(block.batch.column(n), n, k, data) for n, k in keys.items()}
        row_keys = _keys(fields, keys)
        labels = zip(*(block.batch.column(name).to_pylist() for name in types), strict=True)
        for index, (key, row) in enumerate(zip(row_keys, labels, strict=True)):
            values = [each if _text(each) not in ("", *data.missing) else None for each in row]
            if any(value is not None for value in values):
                yield key, block.row(index), values


def _keys(columns: Mapping[str, pa.Array], kinds: Mapping[str, RawType]) -> Iterator[Key]:
    """Each row's key; a part is empty where it is missing."""
    parts = ([key_text(v, kind) for v in columns[n].to_pylist()] for n, kind in kinds.items())
    return zip(*parts, strict=True)


def _check_columns(file: Path, there: Collection[str], needed: Sequence[str]) -> None:
    if absent := next((name for name in needed if name not in there), None):
        raise DataError(
            f"the labels have no column {absent!r}",
            where=str(file),
            expected=", ".join(needed),
            received=", ".join(there),
            hint=nearest_column(absent, there),
        )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else canonical_text(value)


def _converted(value: Any, column: tuple[str, RawType], where: str, data: Data) -> Any:
    """A label as training has it."""
    name, kind = column
    text = _text(value)
    if kind == "string":
        return text.encode()
    try:
        return _float(_plain(value, name, data)) if kind == "float32" else _whole(value, name, data)
    except ValueError:
        form = data.number_format(name)
        noun = "a whole number" if kind == "int64" else "a number"
        raise DataError(
            f"the label {name!r} is not what training had",
            where=where,
            expected=f"{noun}, written as {form.example} (`data.numbers`)" if form else noun,
            received=repr(text),
        ) from None


def _whole(value: Any, name: str, data: Data) -> int:
    return whole_number(_TRUTH.get(_text(value).lower()) or _plain(value, name, data))


def _float(text: str) -> float | None:
    """As training reads it: none for NaN, and no number that 32 bits cannot hold."""
    number = float("no number" if "_" in text else text)  # Python takes 1_000 for one
    if math.isnan(number):
        return None
    if abs(number) > float(np.finfo(np.float32).max):
        raise ValueError(text)
    return number


def _plain(value: Any, name: str, data: Data) -> str:
    """The text of a number, plainly; empty if it is not written as `data.numbers` says."""
    text, form = _text(value), data.number_format(name)
    if form is None or not isinstance(value, str | bytes):
        return text
    unit = number_formats.is_declared(data, name)
    return number_formats.plain_text(form, text, unit=unit) or ""


def _plain_key(values: pa.Array, name: str, kind: RawType, data: Data) -> pa.Array:
    """Texts of a key that training has as a number, plainly; any other key as it is."""
    if kind == "string" or not column_types.is_text(values.type):
        return values
    return pa.array([_plain(value, name, data) for value in values.to_pylist()], pa.string())


def _arrow(kind: RawType) -> pa.DataType:
    return {"int64": pa.int64(), "float32": pa.float32(), "string": pa.binary()}[kind]
