"""Labels that become known later, joined by a key with what was answered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from trainyard.errors import DataError, RecipeError, nearest
from trainyard.pipeline import prediction_files
from trainyard.recipe_schema import Data
from trainyard.serving.monitor.rows import Rows
from trainyard.trainer_modules.harness.description import RawType

_WHOLE = {"true": "1", "false": "0"}


def key_of(data: Data, named: str | None) -> str:
    """Says which column joins labels with requests.

    Args:
        data: The recipe's data section.
        named: What the command line says.

    Raises:
        RecipeError: Neither says one, or the recipe's key has several.
    """
    if named is not None:
        return named
    if len(data.keys) == 1:
        return data.keys[0]
    raise RecipeError(
        "no column is known by which labels are joined with requests",
        where="data.key",
        received=", ".join(data.keys) or "none",
        hint="name one that requests carry: --key COLUMN",
    )


def joined(rows: Rows, file: Path, data: Data, key: str, types: Mapping[str, RawType]) -> Rows:
    """Adds the labels that are known by now; null where they are not.

    Args:
        rows: Of requests, the key among their columns.
        file: CSV or Parquet with the key and the labels.
        data: How CSV is written.
        key: The column that joins.
        types: What is read from the file: type by label.

    Raises:
        DataError: A column is missing, a key occurs twice with different labels, a label is of
            another type, or no key is that of a request.
    """
    keys = _keys(rows, key)
    wanted = {each for each in keys if each}
    found = dict(_read(file, data, key, types, wanted))
    if not found:
        raise DataError(
            "none of the labels is of a request in the window",
            where=str(file),
            expected=f"keys such as {', '.join(sorted(wanted)[:3])}",
            hint=f"is {key!r} the same in requests and labels, and the window large enough?",
        )
    columns = {
        label: pa.array([found[k][place] if k in found else None for k in keys], _arrow(kind))
        for place, (label, kind) in enumerate(types.items())
    }
    return rows.with_columns({**rows.columns, **columns})


def _keys(rows: Rows, key: str) -> list[str]:
    """Each request's key as text; empty where there is none."""
    values = rows.columns.get(key)
    if values is None or values.null_count == len(values):
        raise DataError(
            f"no request in the window carries the column {key!r}",
            expected="a key by which labels are joined with requests",
            received=", ".join(name for name, v in rows.columns.items() if v.null_count < len(v)),
            hint="send it along in tf.Examples (serving_default), which may have columns that the "
            "model does not look at; or name another: --key COLUMN",
        )
    return ["" if value is None else _text(value) for value in values.to_pylist()]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _read(
    file: Path, data: Data, key: str, types: Mapping[str, RawType], wanted: Collection[str]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The labels of the keys that are wanted, each once; the file may be of any size."""
    data = data.model_copy(update={"format": prediction_files.format_of(file), "header": ()})
    there = prediction_files.columns(data, file)
    for name in (key, *types):
        if name not in there:
            raise DataError(
                f"the labels have no column {name!r}",
                where=str(file),
                expected=", ".join((key, *types)),
                received=", ".join(there),
                hint=nearest(name, there),
            )
    seen: set[str] = set()
    for block in prediction_files.blocks(data, file):
        keys = map(_text, block.batch.column(key).to_pylist())
        values = [block.batch.column(name).to_pylist() for name in types]
        for index, (row_key, *row) in enumerate(zip(keys, *values, strict=True)):
            missing = [value in (None, "", *data.missing) for value in row]
            if row_key not in wanted or all(missing):
                continue
            if row_key in seen:
                raise DataError(f"the key {row_key!r} has two labels", where=block.row(index))
            seen.add(row_key)
            where = _place(block.row, index)
            yield (
                row_key,
                tuple(
                    None if nothing else _converted(value, column, where)
                    for nothing, value, column in zip(missing, row, types.items(), strict=True)
                ),
            )


def _place(row: Callable[[int], str], index: int) -> Callable[[], str]:
    return lambda: row(index)


def _converted(value: Any, column: tuple[str, RawType], where: Callable[[], str]) -> Any:
    """A label as training has it."""
    name, kind = column
    text = _text(value)
    if kind == "string":
        return text.encode()
    try:
        if kind == "float32":
            return float(text)
        number = float(_WHOLE.get(text.lower(), text))
        if number != int(number):
            raise ValueError
        return int(number)
    except (ValueError, OverflowError):
        raise DataError(
            f"the label {name!r} is not what training had",
            where=where(),
            expected="a whole number" if kind == "int64" else "a number",
            received=repr(text),
        ) from None


def _arrow(kind: RawType) -> pa.DataType:
    return {"int64": pa.int64(), "float32": pa.float32(), "string": pa.binary()}[kind]
