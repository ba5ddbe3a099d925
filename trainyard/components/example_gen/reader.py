"""Reads tables, tf.Examples, text and class folders as typed blocks; knows nothing of TFX.

`columns` decides names and types once over all files, `blocks` then yields the
rows. Memory is bounded by the block, whatever the size of the input.
"""

from __future__ import annotations

import dataclasses
import glob
import itertools
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen import (
    column_types,
    csv_files,
    folders,
    line_files,
    number_formats,
    parquet_files,
    patterns,
    series,
    tfrecord_files,
    unlike_files,
    windows,
)
from trainyard.components.example_gen.as_trained import MisfitError
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.number_types import Numbers
from trainyard.components.example_gen.quarantine import BadRow
from trainyard.components.example_gen.raw_batch import RawBatch
from trainyard.components.example_gen.unlike_files import Unlike
from trainyard.components.records import parallel
from trainyard.errors import DataError, RecipeError, nearest, nearest_column
from trainyard.recipe_schema import Data


@dataclass(frozen=True)
class Block:
    """Some consecutive rows of one file.

    Attributes:
        batch: The columns, each int64, float64, string, binary, null (no value at
            all), or, from tf.Examples, a list of values a row; missing values are null.
        file: Where the rows come from.
        numbers: The number of each in the file, shape `(n,)`; 1 follows the header.
        fraction: How much of the whole input has been read, 0 to 1.
        bad: The rows that cannot be read and are not in the batch, in order.
        raw: The fields of the same rows as they were read, under their names in the file, for
            what must not depend on types (`identity`); None if they are those of the batch.
    """

    batch: pa.RecordBatch
    file: Path
    numbers: npt.NDArray[np.int64]
    fraction: float
    bad: tuple[BadRow, ...] = ()
    raw: pa.RecordBatch | None = None

    def row(self, index: int) -> str:
        """Says where a row of this block stands, such as `trips.csv, row 7`."""
        return f"{self.file}, row {self.numbers[index]}"

    def filter(self, kept: npt.NDArray[np.bool_], bad: Iterable[BadRow] = ()) -> Block:
        """Returns some of the rows.

        Args:
            kept: Which, shape `(n,)`.
            bad: Those among the others that cannot be used.
        """
        return dataclasses.replace(
            self,
            batch=self.batch.filter(pa.array(kept)),
            numbers=self.numbers[kept],
            bad=tuple(sorted([*self.bad, *bad])),
            raw=None if self.raw is None else self.raw.filter(pa.array(kept)),
        )

    def shown(self, index: int) -> str:
        """Returns what a row says, without bytes and lists, and not at any length."""
        row = self.batch.slice(index, 1).to_pydict()
        said = {n: v for n, (v,) in row.items() if not isinstance(v, bytes | list)}
        return ", ".join(f"{name}={value!r}" for name, value in said.items())[:_SHOWN]

    def cut(self, starts: Sequence[int]) -> Iterator[Block]:
        """Yields the rows in parts.

        Args:
            starts: Where each part begins, ascending; the first at 0.
        """
        bad, places = self.bad, [*starts, len(self.batch)]
        for start, end in itertools.pairwise(places):
            last = end == len(self.batch)
            before = len(bad) if last else bisect_left(bad, self.numbers[end], key=_number)
            yield dataclasses.replace(
                self,
                batch=self.batch.slice(start, end - start),
                numbers=self.numbers[start:end],
                bad=bad[:before],
                raw=None if self.raw is None else self.raw.slice(start, end - start),
            )
            bad = bad[before:]


_number = attrgetter("row")
_SHOWN = 1000
_FEW_FILES = 8


@dataclass(frozen=True)
class _Format:
    """What is particular to a file format.

    Attributes:
        batches: Reads a file.
        convert: Gives a column its type.
        same_columns: Of the columns of a file, what has to be the same in all.
        types: What a file says of its columns; None if the values decide.
        numbers: If it does, the columns of numbers, typed; None: their types are kept as they are.
        names: If so, the columns' names.
        units: What is read as one file each.
        told: What the functions that read are told first, of all files there are.
        joined: The type of a column that has two.
    """

    batches: Callable[..., Iterator[RawBatch]]
    convert: Callable[[pa.Array, ColumnType], pa.Array]
    same_columns: Callable[[dict[str, ColumnType]], object]
    types: Callable[..., dict[str, ColumnType]] | None = None
    numbers: Callable[[Data, Path], Iterator[pa.RecordBatch]] | None = None
    names: Callable[..., Iterable[str]] = list
    units: Callable[[Sequence[Path]], Sequence[Path]] = list
    told: Callable[[Sequence[Path]], tuple[Any, ...]] = lambda _: ()
    joined: Callable[[ColumnType, ColumnType], ColumnType] = column_types.joined


_Column = TypeVar("_Column")


def _as_it_is(values: pa.Array, column_type: ColumnType) -> pa.Array:
    del column_type
    return values


_FORMATS = {
    "csv": _Format(
        csv_files.batches,
        column_types.from_text,
        list,
        names=csv_files.header,
        joined=column_types.joined_texts,
    ),
    "parquet": _Format(
        parquet_files.batches,
        parquet_files.convert,
        set,
        parquet_files.schema_types,
        parquet_files.numbers,
    ),
    # A tf.Example may leave out a feature, so the files need not agree.
    "tfrecord": _Format(
        tfrecord_files.batches, tfrecord_files.convert, lambda _: None, tfrecord_files.feature_types
    ),
    "folders": _Format(folders.batches, _as_it_is, list, folders.column_types),
    "lines": _Format(
        line_files.class_batches,
        _as_it_is,
        list,
        line_files.class_types,
        told=lambda files: (line_files.parts(files),),
    ),
    "parallel": _Format(
        line_files.column_batches,
        column_types.from_text,
        list,
        names=line_files.columns,
        units=line_files.units,
        told=lambda files: (files,),
        joined=column_types.joined_texts,
    ),
    "text": _Format(windows.batches, _as_it_is, list, windows.types),
}


def find(pattern: str, spans: int = 1) -> list[Path]:
    """Finds the files of a pattern; of several spans, those of the newest.

    Args:
        pattern: A path, a glob, or a pattern with `{SPAN}`, `{VERSION}`, `{YYYY}-{MM}-{DD}`.
        spans: How many spans.

    Raises:
        DataError: There is no such file, or it is a directory.
    """
    if Path(pattern).is_file():
        return checked([Path(pattern)], pattern)
    return checked(patterns.newest(pattern, spans), pattern)


def checked(files: Sequence[Path], pattern: str) -> list[Path]:
    """Returns the files as they are, if there are any and all are files.

    Args:
        files: What the pattern matched.
        pattern: For the error message.

    Raises:
        DataError: There are none, or one is a directory or may not be read.
    """
    if not files:
        raise DataError(f"no such file: {pattern}", where="data.path", hint=_hint(Path(pattern)))
    for file in files:
        if file.is_dir():
            raise DataError(
                "this is a directory, not a file",
                where=str(file),
                hint=f"for all files in it write {file}/*",
            )
        if not os.access(file, os.R_OK):
            raise DataError(
                "the file may not be read",
                where=str(file),
                hint="ask its owner, or change its permissions",
            )
    return list(files)


def _hint(pattern: Path) -> str:
    if pattern.is_symlink():
        return f"it is a link that leads nowhere: {pattern.readlink()}"
    folder = next(parent for parent in pattern.parents if parent.exists())
    if folder != pattern.parent and not glob.has_magic(str(pattern.parent)):
        return f"there is no folder {pattern.parent}; {folder} exists"
    names = [path.name for path in folder.iterdir()]
    return nearest(pattern.name, names) if names else f"the folder {folder} is empty"


def columns(data: Data, files: Sequence[Path]) -> dict[str, ColumnType]:
    """Decides every column's name and type over the whole input.

    CSV is read through once for this, Parquet tells it by its schema. Integers
    and floats in different files make a float column, numbers and text a text
    column; so do numbers and `true` of CSV, while that of Parquet is 1. A curated
    schema (`data.schema`) then decides where it can.

    Args:
        data: The recipe's data section.
        files: The input, in any order.

    Returns:
        Types by name, in the order of the first file.

    Raises:
        DataError: A file cannot be read, or has other columns than the first.
    """
    return _merged(data, files, None)


def held(
    data: Data, files: Sequence[Path], types: Mapping[str, ColumnType]
) -> dict[str, ColumnType]:
    """Returns what columns hold that a curated schema has written as text, where files say it.

    Args:
        data: The recipe's data section.
        files: The input.
        types: From `columns`; may have further columns.
    """
    if data.format != "parquet" or data.schema_file == "infer":
        return dict(types)
    own = columns(data.model_copy(update={"schema_file": "infer"}), files)
    return {n: own.get(n, kind) if kind is ColumnType.TEXT else kind for n, kind in types.items()}


class Survey(NamedTuple):
    """What a look at the whole input tells.

    Attributes:
        types: The columns' types.
        numbers: What those of numbers are like: of CSV, parallel files and Parquet.
        unlike: The columns whose files do not agree.
    """

    types: dict[str, ColumnType]
    numbers: dict[str, Numbers]
    unlike: list[Unlike]


def survey(data: Data, files: Sequence[Path]) -> Survey:
    """Like `columns`; says also what the columns of numbers are like over the whole input.

    Args:
        data: The recipe's data section.
        files: The input, in any order.

    Raises:
        DataError: As `columns`.
    """
    numbers: dict[str, Numbers] = {}
    unlike: list[Unlike] = []
    types = _merged(data, files, None, numbers, unlike)
    return Survey(types, numbers, unlike)


class First(NamedTuple):
    """The beginning of an input.

    Attributes:
        files: All files of the input.
        types: The columns with the types of the first block; a later row may widen one.
        block: The first block.
        unlike: The columns whose files do not agree, by the first block of each.
    """

    files: Sequence[Path]
    types: dict[str, ColumnType]
    block: Block
    unlike: Sequence[Unlike] = ()


def first(data: Data, files: Sequence[Path]) -> First:
    """Looks at the headers and the first block only: quick, provisional.

    Args:
        data: The recipe's data section.
        files: The input.

    Raises:
        DataError: A header or the first block is wrong, or there are no rows.
    """
    unlike: list[Unlike] = []
    types = _merged(data, files, 1, unlike=unlike)
    return First(files, types, next(blocks(data, files, types)), unlike)


def first_texts(data: Data, files: Sequence[Path]) -> dict[str, pa.Array]:
    """Returns the columns of text of a table's first block, as they stand in the file.

    Of Parquet those of the first blocks of some files: each may spell `true` in its own way.

    Args:
        data: The recipe's data section.
        files: The input.
    """
    if data.format not in ("csv", "parquet"):
        return {}
    found: dict[str, list[pa.Array]] = {}
    for file in files[: _FEW_FILES if data.format == "parquet" else 1]:
        first_one = next(_FORMATS[data.format].batches(data, file), None)
        batch = _with_new_names(data, first_one.batch) if first_one else pa.record_batch({})
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            if column_types.is_text(values.type):
                found.setdefault(name, []).append(values)
    return {name: pa.concat_arrays(parts) for name, parts in found.items()}


def unread(data: Data, files: Sequence[Path]) -> dict[str, str]:
    """Returns the columns that cannot be read, with their types: lists, for instance, of Parquet.

    Args:
        data: The recipe's data section.
        files: The input.
    """
    if data.format != "parquet":
        return {}
    return {name: kind for file in files for name, kind in parquet_files.unread(data, file).items()}


def _types(
    data: Data,
    file: Path,
    files: Sequence[Path],
    batches: int | None,
    numbers: dict[str, Numbers] | None,
) -> dict[str, ColumnType]:
    """The columns of a file and their types after so many batches; all, if None."""
    form = _FORMATS[data.format]
    told = form.told(files)
    if form.types:
        for batch in form.numbers(data, file) if form.numbers and numbers is not None else ():
            _note(data, numbers, {n: Numbers.of(batch.column(n)) for n in batch.schema.names})
        return form.types(*told, data, file)
    types = dict.fromkeys(form.names(*told, data, file), ColumnType.MISSING)
    texts = (raw.batch for raw in itertools.islice(form.batches(*told, data, file), batches))
    look = partial(_looked_at, data, types, count=numbers is not None)
    for found, counted in (map if batches else parallel.mapped)(look, texts):
        _widen(form, types, found)
        _note(data, numbers, counted)
    return types


def _looked_at(
    data: Data, types: Mapping[str, ColumnType], batch: pa.RecordBatch, *, count: bool
) -> tuple[dict[str, ColumnType], dict[str, Numbers]]:
    """What one batch says of the columns' types and numbers."""
    new, found, counted = data.new_names, {}, {}
    for name in batch.schema.names:
        column = batch.column(name)
        found[name], parsed = number_formats.narrowest(
            data, new.get(name, name), types[name], column
        )
        if count and parsed is not None:
            counted[name] = Numbers.of(parsed)
    return found, counted


def _note(data: Data, numbers: dict[str, Numbers] | None, found: Mapping[str, Numbers]) -> None:
    """Adds what is known of columns' numbers, under their names in the recipe."""
    if numbers is None:
        return
    for column, more in found.items():
        name = data.new_names.get(column, column)
        numbers[name] = numbers.get(name, Numbers()).merged(more)


def _widen(form: _Format, types: dict[str, ColumnType], found: Mapping[str, ColumnType]) -> None:
    types |= {name: form.joined(kind, types.get(name, kind)) for name, kind in found.items()}


def _merged(
    data: Data,
    files: Sequence[Path],
    batches: int | None,
    numbers: dict[str, Numbers] | None = None,
    unlike: list[Unlike] | None = None,
) -> dict[str, ColumnType]:
    """The types over all files after so many batches of each; fills what else is given."""
    merged: dict[str, ColumnType] = {}
    seen: unlike_files.Seen = {}
    form = _FORMATS[data.format]
    for file in form.units(files):
        found = _renamed(data, _types(data, file, files, batches, numbers), file)
        if merged and form.same_columns(found) != form.same_columns(merged):
            raise _other_columns(file, list(found), files[0], list(merged))
        _widen(form, merged, found)
        unlike_files.note(seen, found, file)
    number_formats.check(data, merged)
    texts = (*data.text_columns, *data.codes)
    if unlike is not None and data.schema_file == "infer":  # else the gate looks at the values
        unasked = {name: kind for name, kind in merged.items() if name not in texts}
        unlike += unlike_files.found(seen, unasked)
    merged |= {name: ColumnType.TEXT for name in texts if name in merged}
    merged = series.columns(data, merged)
    if data.schema_file == "infer":
        return merged
    wished = column_types.curated(merged, Path(data.schema_file))
    # The schema speaks of an image, not of what it is made from.
    sources = {images.origin for images in data.images}
    return {name: merged[name] if name in sources else wished[name] for name in merged}


def _renamed(data: Data, columns: Mapping[str, _Column], file: Path) -> dict[str, _Column]:
    """Gives columns the names that the recipe has for them."""
    new = data.new_names
    names = [new.get(name, name) for name in columns]
    if absent := next((old for old in new if old not in columns), None):
        raise RecipeError(
            f"there is no column {absent!r} to be renamed",
            where=f"data.columns.{new[absent]}",
            hint=nearest_column(absent, columns),
        )
    if twice := next((name for name in new.values() if names.count(name) > 1), None):
        raise RecipeError(
            f"two columns would have the name {twice!r}",
            where=f"data.columns.{twice}",
            received=f"the columns of {file}: {', '.join(columns)}",
        )
    return dict(zip(names, columns.values(), strict=True))


def _other_columns(file: Path, names: list[str], first: Path, expected: list[str]) -> DataError:
    missing = [name for name in expected if name not in names]
    extra = [name for name in names if name not in expected]
    parts = {"without": missing, "in addition": extra}
    said = [f"{label} {', '.join(map(repr, some[:5]))}" for label, some in parts.items() if some]
    return DataError(
        f"the file has other columns than {first}",
        where=f"{file}, header",
        expected="the same columns in the same order in all files of one pattern",
        received="; ".join(said) or "the same columns in another order",
        hint="make the headers equal, or narrow `data.path`",
    )


def blocks(data: Data, files: Sequence[Path], types: Mapping[str, ColumnType]) -> Iterator[Block]:
    """Yields all rows, typed, those of a series with the values before them.

    A float that is not a number (NaN) counts as missing. With `on_bad_row:
    quarantine` a block says which rows had to be left out.

    Args:
        data: The recipe's data section.
        files: The input.
        types: From `columns`.

    Raises:
        DataError: A file cannot be read, a value is not of its type or infinite, or
            there are no rows at all.
    """
    yield from series.blocks(data, _blocks(data, files, types))


def _blocks(data: Data, files: Sequence[Path], types: Mapping[str, ColumnType]) -> Iterator[Block]:
    form = _FORMATS[data.format]
    told, units = form.told(files), form.units(files)
    total = sum(file.stat().st_size for file in units) or 1
    before, good, bad = 0, 0, 0
    for file in units:
        first_row = 1
        for raw in form.batches(*told, data, file):
            if not len(raw):
                continue
            block = _block(data, raw, file, first_row, types)
            yield dataclasses.replace(block, fraction=(before + raw.position) / total)
            first_row += len(raw)
            good, bad = good + len(block.batch), bad + len(block.bad)
        before += file.stat().st_size
    if not good:
        raise _no_rows(data, files, bad)


def _with_new_names(data: Data, batch: pa.RecordBatch) -> pa.RecordBatch:
    new = data.new_names
    names = [new.get(name, name) for name in batch.schema.names]
    return pa.RecordBatch.from_arrays(batch.columns, names) if names else batch


def _no_rows(data: Data, files: Sequence[Path], bad: int) -> DataError:
    nothing = ", only a header" if data.format == "csv" and not data.header else ""
    return DataError(
        "there are no rows" + (f" that can be read: all {bad:,} are bad" if bad else nothing),
        where=", ".join(map(str, files[:3])),
        expected="at least one row",
        hint="is it what the recipe says (delimiter, encoding, columns)?"
        if bad
        else "is the export complete? Look at the file",
    )


def _block(
    data: Data, raw: RawBatch, file: Path, first_row: int, types: Mapping[str, ColumnType]
) -> Block:
    """Types a block; what does not fit is an error, or is taken out."""
    block = numbered(raw, file, first_row)
    block = dataclasses.replace(block, batch=_with_new_names(data, raw.batch), raw=raw.batch)
    convert = partial(_typed, data, types=types)
    try:
        return convert(block)
    except DataError:
        if data.on_bad_row == "error":
            raise next(error for _, error in misfits(convert, block)) from None
    found = dict(misfits(convert, block))
    rows = [
        BadRow(int(block.numbers[index]), error.message, error.received, text)
        for (index, error), text in zip(found.items(), raw.as_text([*found]), strict=True)
    ]
    fits = np.isin(np.arange(len(block.batch)), list(found), invert=True)
    return convert(block.filter(fits, rows))


def numbered(raw: RawBatch, file: Path, first_row: int) -> Block:
    """Returns the rows that can be read, and says which cannot.

    Args:
        raw: Some rows of a file.
        file: The file.
        first_row: The number of the first of them.
    """
    bad = tuple(each._replace(row=first_row + each.row) for each in raw.bad)
    numbers = np.delete(np.arange(len(raw)), [each.row for each in raw.bad]) + first_row
    return Block(raw.batch, file, numbers, 0.0, bad)


def misfits(
    convert: Callable[[Block], object], block: Block, start: int = 0
) -> Iterator[tuple[int, DataError]]:
    """Finds the rows that cannot be converted, by halving.

    Args:
        convert: What raises DataError if it is given such a row.
        block: The rows.
        start: The place of the first of them.

    Yields:
        The place of each such row, ascending, and its error.
    """
    try:
        convert(block)
    except DataError as error:
        half = len(block.batch) // 2
        if not half:
            yield start, error
            return
        for part, first in zip(block.cut([0, half]), (start, start + half), strict=True):
            yield from misfits(convert, part, first)


def _typed(data: Data, block: Block, types: Mapping[str, ColumnType]) -> Block:
    convert = _FORMATS[data.format].convert
    typed = {}
    for name, values in zip(block.batch.schema.names, block.batch.columns, strict=True):
        try:
            text = number_formats.plain(data, name, values, types[name])
            converted = convert(text, types[name])
        except MisfitError as error:
            expected, received = error.expected, error.received
            raise _not_typed(block, name, types[name], received, expected) from None
        except ValueError as error:
            raise _not_typed(block, name, types[name], str(error)) from None
        typed[name] = _finite(converted, name, block)
    batch = pa.RecordBatch.from_arrays(list(typed.values()), list(typed))
    return dataclasses.replace(block, batch=batch)


def _not_typed(
    block: Block, name: str, wanted: ColumnType, received: str, expected: str = ""
) -> DataError:
    more = " and after" if len(block.batch) > 1 else ""
    return DataError(
        f"column {name!r} holds a value that is not {wanted.name.lower()}",
        where=f"{block.row(0)}{more}",
        expected=expected,
        received=received,
    )


def _finite(values: pa.Array, name: str, block: Block) -> pa.Array:
    """Turns NaN into missing, and refuses what is infinite as a 32-bit float."""
    if not pa.types.is_floating(values.type):
        return values
    numbers = values.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        infinite = np.flatnonzero(np.isinf(numbers.astype(np.float32)))
    if len(infinite):
        raise DataError(
            f"the value in column {name!r} is infinite, or too large for a 32-bit float",
            where=block.row(int(infinite[0])),
            expected="a finite number, at most 3.4e38",
            received=str(numbers[infinite[0]]),
            hint="correct it, or leave the field empty if the value is not known",
        )
    return pc.if_else(pc.is_nan(values), None, values) if np.isnan(numbers).any() else values
