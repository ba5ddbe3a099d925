"""Text files in which every line is a row (`lines`), or a value of one (`parallel`).

What files are called says what they are: of `rt-polarity.pos` and `rt-polarity.neg`
the classes are `pos` and `neg`, of `train.en` and `train.fr` the columns `en` and `fr`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from trainyard.components.example_gen import text_files
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.quarantine import BadRow
from trainyard.components.example_gen.raw_batch import RawBatch
from trainyard.errors import DataError
from trainyard.recipe_schema import Data
from trainyard.wording import counted

TEXT, LABEL = "text", "label"
BLOCK_ROWS = 1 << 14


def parts(files: Iterable[Path]) -> dict[Path, str]:
    """Returns the part of each file's name in which the names differ.

    Args:
        files: Some files, in one folder or several.

    Returns:
        For instance `pos` for `a/rt-polarity.pos` beside `a/rt-polarity.neg`; '' if all have
        one name.
    """
    words = {file: re.split(r"([._-])", file.name) for file in files}
    front = _shared(words.values())
    back = _shared(each[::-1] for each in words.values())
    found = {file: "".join(each[front : len(each) - back]) for file, each in words.items()}
    one_name = len({file.name for file in found}) == 1
    return found if one_name or all(found.values()) else {file: file.name for file in found}


def _shared(lists: Iterable[list[str]]) -> int:
    """How many words all lists begin with."""
    same = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*lists, strict=False))
    return len(list(same))


def class_types(classes: Mapping[Path, str], data: Data, file: Path) -> dict[str, ColumnType]:
    """Returns the types of the columns `text` and `label`; a single file has no label.

    Args:
        classes: From `parts`.
        data: The recipe's data section.
        file: One of the files.
    """
    del data
    return {TEXT: ColumnType.TEXT} | ({LABEL: ColumnType.TEXT} if classes[file] else {})


def class_batches(classes: Mapping[Path, str], data: Data, file: Path) -> Iterator[RawBatch]:
    """Yields the lines of a class.

    Args:
        classes: From `parts`.
        data: The recipe's data section.
        file: One of the files, plain or gzip.

    Raises:
        RecipeError: The encoding is unknown.
        DataError: The file cannot be read; it names the line.
    """
    for lines, position in _lines(data, file, data.on_bad_row):
        good, bad = _sorted_out(data, lines)
        columns = {TEXT: pa.array(good, pa.string())}
        if classes[file]:
            columns[LABEL] = pa.repeat(classes[file], len(good))
        yield RawBatch(pa.RecordBatch.from_pydict(columns), position, bad, partial(list, good))


def _lines(data: Data, file: Path, wrong: str) -> Iterator[tuple[list[str], int]]:
    """Yields whole lines and how many bytes were read; of a line without an end, its beginning."""
    rest = ""
    for text, position in text_files.decoded(data, file, wrong):
        *whole, rest = (rest + text).split("\n")
        rest = rest[: data.max_characters + 1]  # longer than what is allowed, and no longer
        yield whole, position
    if rest:
        yield [rest], position


def _sorted_out(data: Data, lines: list[str]) -> tuple[list[str], list[BadRow]]:
    """Takes out lines with wrong bytes."""
    if not text_files.UNDECODABLE.search("".join(lines)):
        return lines, []
    good, bad = list[str](), list[BadRow]()
    for number, line in enumerate(lines):
        if found := text_files.UNDECODABLE.search(line):
            shown = text_files.around(line, found)
            bad.append(BadRow(number, f"not {data.encoding} text", shown, line))
        else:
            good.append(line)
    return good, bad


def columns(files: Sequence[Path], data: Data, first: Path) -> dict[str, Path]:
    """Returns the columns that parallel files are, and the file of each.

    Args:
        files: All files.
        data: The recipe's data section.
        first: The first of those in one folder.

    Raises:
        DataError: There is no other in its folder.
    """
    del data
    beside = [file for file in files if file.parent == first.parent]
    if len(beside) < 2:
        raise DataError(
            "there is no file parallel to this one",
            where=str(first),
            expected="a file for every column, such as train.en and train.fr",
            hint="let `data.path` match all of them, or set `data.format: lines`",
        )
    return {name: file for file, name in parts(beside).items()}


def column_batches(files: Sequence[Path], data: Data, first: Path) -> Iterator[RawBatch]:
    """Yields rows of which every file has a value a line; an empty line is a missing value.

    Args:
        files: All files.
        data: The recipe's data section.
        first: The first of those in one folder.

    Raises:
        RecipeError: The encoding is unknown.
        DataError: A file cannot be read or is shorter than the others.
    """
    named, read = columns(files, data, first), 0
    rows = itertools.zip_longest(*(_each_line(data, file) for file in named.values()))
    size = first.stat().st_size
    while some := list(itertools.islice(rows, BLOCK_ROWS)):
        if None in some[-1]:
            raise _uneven(named, some, read)
        read += len(some)
        values = [pa.array(column, pa.string()) for column in zip(*some, strict=True)]
        values = [pc.if_else(pc.equal(each, ""), None, each) for each in values]
        yield RawBatch(pa.RecordBatch.from_arrays(values, list(named)), size)


def units(files: Sequence[Path]) -> list[Path]:
    """Returns one file for those of every folder, which are read together."""
    return [next(group) for _, group in itertools.groupby(files, lambda file: file.parent)]


def _each_line(data: Data, file: Path) -> Iterator[str]:
    for lines, _ in _lines(data, file, "error"):
        yield from lines


def _uneven(
    named: Mapping[str, Path], rows: Sequence[tuple[str | None, ...]], read: int
) -> DataError:
    lengths = [read + sum(value is not None for value in each) for each in zip(*rows, strict=True)]
    shortest = min(range(len(lengths)), key=lengths.__getitem__)
    file = list(named.values())[shortest]
    return DataError(
        f"the file ends after {counted(lengths[shortest], 'line')}, but those parallel to it go on",
        where=f"{file}, line {lengths[shortest]}",
        expected="the same number of lines in "
        + ", ".join(str(each.name) for each in named.values()),
        hint="is it whole? A line break at the wrong place shifts all rows that follow",
    )
