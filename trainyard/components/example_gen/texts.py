"""Columns of text: checked, and measured in columns of numbers, as images are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen import computed
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.quarantine import BadRow
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError, RecipeError, nearest_column
from trainyard.recipe_schema import Data, text_measures
from trainyard.wording import counted

Rows = npt.NDArray[np.bool_]


def columns(data: Data, types: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """Returns the columns that rows have with the measures of their texts.

    Args:
        data: The recipe's data section.
        types: From `reader.columns`.

    Raises:
        RecipeError: There is no such column, or the name of a measure is taken.
    """
    for name in data.text_columns:
        if name not in types:
            raise RecipeError(
                f"there is no column {name!r} of text",
                where="data.texts" if name in data.texts else "data",
                hint=nearest_column(name, types),
            )
    measures = [measure for name in data.text_columns for measure in text_measures(name)]
    if taken := next((name for name in measures if name in types), None):
        raise RecipeError(
            f"the texts bring a column {taken!r}, but the data have one of that name",
            where="data.columns",
            hint="rename it there",
        )
    return {**types, **dict.fromkeys(measures, ColumnType.INTEGER)}


def append(data: Data, block: Block) -> Block:
    """Returns the rows with the measures of their texts; an empty text that is kept is ''.

    Args:
        data: The recipe's data section.
        block: The rows.

    Raises:
        DataError: A text cannot be used, and a bad row is an error.
    """
    if len(block.batch):
        for name in data.text_columns:
            block = _measured(data, block, name)
    return block


def _measured(data: Data, block: Block, name: str) -> Block:
    """Measures a column, and takes out rows or raises the error for the first that is bad."""
    texts, undecodable = _decoded(computed.single(block, name, "the text"))
    characters, words = measured(texts)
    wrong = {
        "is not UTF-8": undecodable,
        "is too long": np.asarray(characters) > data.max_characters,
        "is empty": (np.asarray(words) == 0) & (data.empty_texts == "refuse"),
    }
    bad = []
    for row in np.flatnonzero(np.logical_or.reduce(list(wrong.values()))).tolist():
        what = next(reason for reason, rows in wrong.items() if rows[row])
        reason, length = f"the text in column {name!r} {what}", characters[row].as_py()
        if data.on_bad_row == "error":
            raise _error(data, block.row(row), reason, length)
        number = int(block.numbers[row])
        bad.append(BadRow(number, reason, counted(length, "character"), block.shown(row)))
    block = _with(
        block, dict(zip((name, *text_measures(name)), (texts, characters, words), strict=True))
    )
    return block.filter(~np.isin(block.numbers, [each.row for each in bad]), bad) if bad else block


def measured(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Measures texts: how many characters and how many words each has.

    Args:
        texts: Strings, shape `(n,)`; none missing.
    """
    return pc.utf8_length(texts).cast(pa.int64()), _words(texts)


def _words(texts: pa.Array) -> pa.Array:
    """How many words each has: what stands between blanks."""
    trimmed = pc.utf8_trim_whitespace(texts)
    words = pc.list_value_length(pc.utf8_split_whitespace(trimmed))
    return pc.if_else(pc.equal(trimmed, ""), 0, words).cast(pa.int64())


def _decoded(values: pa.Array) -> tuple[pa.Array, Rows]:
    """The texts, '' where there is none; and which of them are bytes that are not UTF-8."""
    wrong = np.zeros(len(values), bool)
    if not pa.types.is_binary(values.type):
        values = values.cast(pa.string())
    else:
        texts = []
        for row, value in enumerate(values.to_pylist()):
            try:
                texts.append((value or b"").decode())
            except UnicodeDecodeError:
                texts.append("")
                wrong[row] = True
        values = pa.array(texts, pa.string())
    return pc.fill_null(values, ""), wrong


def _with(block: Block, columns: Mapping[str, pa.Array]) -> Block:
    whole = {**dict(zip(block.batch.schema.names, block.batch.columns, strict=True)), **columns}
    return dataclasses.replace(block, batch=pa.RecordBatch.from_pydict(whole))


def _error(data: Data, where: str, reason: str, length: int) -> DataError:
    return DataError(
        reason,
        where=where,
        expected=f"1 to {counted(data.max_characters, 'character')} (`data.max_characters`)",
        received=f"{length:,}",
        hint="correct the row; or set such rows aside with `data.on_bad_row: quarantine`; or let "
        "empty texts be with `data.empty_texts: keep`",
    )
