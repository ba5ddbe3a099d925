"""CSV in blocks: Arrow reads, and the standard library finds the culprit after an error.

Arrow is fast but cannot say which row is at fault where a quoted field holds
line breaks. So its errors, and an odd number of quotes, which it does not
notice, start a second, slow reading that counts rows.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from trainyard.components.example_gen import text_files
from trainyard.components.example_gen.quarantine import BadRow
from trainyard.components.example_gen.raw_batch import RawBatch
from trainyard.errors import DataError
from trainyard.recipe_schema import UNNAMED, Data
from trainyard.wording import counted

BLOCK_BYTES = 1 << 23
LONGEST_ROW_BYTES = 1 << 26
_PORTION_BYTES = 1 << 20  # Arrow's own; its threads take one each
_NO_NAME = ""
_NOTHING = pa.scalar(None, pa.string())
csv.field_size_limit(LONGEST_ROW_BYTES)  # of the whole process; 128 KB if nobody says
Places = npt.NDArray[np.int64]
_UNDECODABLE = text_files.UNDECODABLE
_COMPRESSION_ERRORS = text_files.COMPRESSION_ERRORS


def header(data: Data, file: Path) -> list[str]:
    """Reads the column names, unless the recipe has them; a first one that is empty is `UNNAMED`.

    Args:
        data: The recipe's data section.
        file: The file, plain or gzip.

    Raises:
        DataError: The file is empty or unreadable, or another name is empty, or one occurs twice.
        RecipeError: The encoding is unknown.
    """
    if data.header:
        return list(data.header)
    try:
        with text_files.opened(data, file) as text:
            names: list[str] = next(filter(None, _reader(data, text)), [])
    except (csv.Error, UnicodeError, *_COMPRESSION_ERRORS) as error:
        raise _diagnosis(data, file, 0) or _unreadable(file, error) from None
    if not names:
        raise DataError("the file is empty", where=str(file), expected="a header and rows")
    if len(names) > 1 and names[0] == _NO_NAME:
        names[0] = UNNAMED
    _check_names(names, file)
    if bad := next(filter(_UNDECODABLE.search, names), None):
        raise text_files.wrong_bytes(data, f"{file}, header", bad)
    return names


def _check_names(names: list[str], file: Path) -> None:
    where = f"{file}, header"
    for position, name in enumerate(names, 1):
        if not name.strip():
            raise DataError(
                f"column {position} of {len(names)} has no name",
                where=where,
                expected="a name for every column in the first row",
                hint="name it; or take the delimiter off the end of the lines, if that made it",
            )
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        positions = [str(i) for i, n in enumerate(names, 1) if n == name]
        raise DataError(
            f"the column name {name!r} occurs {times} times",
            where=where,
            expected="every name once",
            received=f"columns {', '.join(positions)}",
            hint="rename or remove all but one; if the file has no header row, add one",
        )


def batches(data: Data, file: Path) -> Iterator[RawBatch]:
    """Yields the rows as text, null where missing.

    Blank lines are skipped, as stock does; an empty field is always missing. With
    `on_bad_row: quarantine` bad rows are taken out, but for a quote that is left
    open: where such a row ends nobody can tell.

    Args:
        data: The recipe's data section.
        file: The file, plain or gzip.

    Raises:
        DataError: Something is wrong in the file; it names the row.
    """
    names = header(data, file)
    with file.open("rb") as raw:
        stream, quotes = gzip.GzipFile(fileobj=raw) if text_files.is_gzip(file) else raw, 0
        try:
            for number, text in enumerate(_whole_rows(data, _utf8(data, stream))):
                quotes += text.count(b'"')
                has_header = number == 0 and not data.header
                yield from _block(data, _Rows(text, names, has_header), raw.tell())
        except (pa.ArrowInvalid, csv.Error, UnicodeError, *_COMPRESSION_ERRORS) as error:
            raise _diagnosis(data, file, len(names)) or _unreadable(file, error) from None
    if data.quoting and quotes % 2 and (problem := _diagnosis(data, file, len(names))):
        raise problem


class _Rows(NamedTuple):
    """The text of whole rows, in UTF-8."""

    text: bytes
    names: list[str]
    has_header: bool


def _block(data: Data, rows: _Rows, position: int) -> Iterator[RawBatch]:
    try:
        table, bad = _parsed(data, rows), list[BadRow]()
    except (pa.ArrowInvalid, UnicodeError):
        if data.on_bad_row == "error":
            raise
        rows, bad = _sorted_out(data, rows)
        table = _parsed(data, rows).combine_chunks()  # one batch: its bad rows belong to it
    before = 0
    none_good = [pa.RecordBatch.from_pydict({})] if bad else []
    for batch in table.to_batches() or none_good:
        yield RawBatch(batch, position, bad, partial(_row_texts, data, rows, before))
        before += len(batch)


def _sorted_out(data: Data, rows: _Rows) -> tuple[_Rows, list[BadRow]]:
    """Takes the bad rows out of the text, and numbers them from 0."""
    good: list[str] = []
    bad: list[BadRow] = []
    number = -1 if rows.has_header else 0
    for text, record in _records(data, rows):
        problem = _problem(data, record, len(rows.names))
        if problem:
            bad.append(BadRow(number, *problem, text.rstrip("\r\n")))
        else:
            good.append(text)
        number += bool(record)
    return rows._replace(text="".join(good).encode()), bad


def _utf8(data: Data, stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """Reads blocks as UTF-8; what says it is UTF-8 is left for Arrow to check."""
    blocks = iter(partial(stream.read, BLOCK_BYTES), b"")
    if _is_utf8(data):
        yield from blocks
        return
    # A surrogate for a wrong byte is wrong in UTF-8 too, so that Arrow finds it.
    wrong = "strict" if data.on_bad_row == "error" else "surrogateescape"
    decoder = codecs.getincrementaldecoder(data.encoding)(wrong)
    for block in blocks:
        yield decoder.decode(block).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def _is_utf8(data: Data) -> bool:
    return text_files.encoding(data) == "utf-8"


def _whole_rows(data: Data, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Cuts blocks where rows end.

    Arrow's own streaming reader is not used: its threads read ahead from a Python
    file, and wait for the interpreter while the interpreter waits for them.
    """
    pending = b""
    for block in blocks:
        pending += block
        end = _end_of_rows(data, pending)
        if end:
            yield pending[:end]
            pending = pending[end:]
        elif len(pending) > LONGEST_ROW_BYTES:
            raise pa.ArrowInvalid("a row without an end")
    if pending:
        yield pending


def _end_of_rows(data: Data, text: bytes) -> int:
    """Where the last whole row ends, 0 if none does: a line break between quotes ends none."""
    return _end_before(text, len(text), *_quoted(data, text))


def _end_before(text: bytes, end: int, starts: Places, ends: Places) -> int:
    """Where the last row ends that ends before a place, given what is between quotes."""
    while (at := text.rfind(b"\n", 0, end)) >= 0:
        before = int(np.searchsorted(starts, at)) - 1
        if before < 0 or ends[before] <= at:
            return at + 1
        end = int(starts[before])
    return 0


def _quoted(data: Data, text: bytes) -> tuple[Places, Places]:
    """Where quoted fields begin and end in text that begins with a row.

    A quote in the middle of a field is text; one that is never closed goes to the end.
    """
    if not data.quoting:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    delimiter = data.delimiter.encode()
    letters = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(letters == ord('"'))
    begins = np.frombuffer(b"\n\r" + delimiter, np.uint8)
    starts, ends = quotes[::2], quotes[1::2] + 1
    opened = np.isin(letters[starts[starts > 0] - 1], begins).all()
    closed = np.isin(letters[ends[ends < len(text)]], begins).all()
    if not (opened and closed):  # quotes within fields: only a scan tells which is which
        quoted = re.compile(rb'"(?<![^\n\r%s]")[^"]*(?:""[^"]*)*"?' % re.escape(delimiter))
        spans = [match.span() for match in quoted.finditer(text)]
        starts, ends = np.array(spans, np.int64).reshape(-1, 2).T
    return starts, np.append(ends, len(text))


def _parsed(data: Data, rows: _Rows) -> pa.Table:
    if not rows.text.strip():
        return pa.table({})
    table = pa.csv.read_csv(
        pa.BufferReader(_owned_by_arrow(rows.text)),
        pa.csv.ReadOptions(
            column_names=None if rows.has_header else rows.names,
            block_size=_portion(data, rows.text),
        ),
        pa.csv.ParseOptions(
            delimiter=data.delimiter,
            quote_char='"' if data.quoting else False,
            newlines_in_values=data.quoting,
        ),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys([*rows.names, _NO_NAME], pa.string()),
            null_values=["", *_missing_everywhere(data)],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    return _without_missing(data, table.rename_columns(rows.names))


def _missing_everywhere(data: Data) -> list[str]:
    values = {word for words in data.not_missing.values() for word in words}
    return [word for word in data.missing if word not in values]


def _without_missing(data: Data, table: pa.Table) -> pa.Table:
    """Makes missing what is so in some columns only."""
    if not data.not_missing:
        return table
    words = {name: data.missing_in(data.new_names.get(name, name)) for name in table.column_names}
    columns = [
        pc.if_else(pc.is_in(values, pa.array(words[name], pa.string())), _NOTHING, values)
        for name, values in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.table(columns, table.column_names)


def _owned_by_arrow(text: bytes) -> pa.Buffer:
    """Copies text: 2 ms for a block of 8 MB.

    A thread of Arrow that lets go of Python's own bytes while the interpreter ends
    takes the process with it ("terminate called without an active exception").
    """
    copy = pa.BufferOutputStream()
    copy.write(text)
    return copy.getvalue()


def _portion(data: Data, text: bytes) -> int:
    """How many bytes a thread of Arrow takes: all, if a row may be longer than a portion.

    Arrow 10.0.1 waits for ever, or fails, where a portion has no end of a row in it.
    """
    quoted = _quoted(data, text) if len(text) > _PORTION_BYTES else ()
    ends = range(_PORTION_BYTES, len(text), _PORTION_BYTES)
    all_short = all(_end_before(text, end, *quoted) > end - _PORTION_BYTES for end in ends)
    return _PORTION_BYTES if all_short else len(text)


def _records(data: Data, rows: _Rows) -> Iterator[tuple[str, list[str]]]:
    """Yields every row's text and fields, the header's too; a blank line has no fields."""
    escaped = "surrogateescape" if _is_utf8(data) else "surrogatepass"
    lines: list[str] = []

    def taken() -> Iterator[str]:
        for line in io.StringIO(rows.text.decode("utf-8", escaped), newline=""):
            lines.append(line)
            yield line

    for record in _reader(data, taken()):
        yield "".join(lines), record
        lines.clear()


def _reader(data: Data, lines: Iterable[str], strict: bool = False) -> Any:
    return csv.reader(
        lines,
        delimiter=data.delimiter,
        quoting=csv.QUOTE_MINIMAL if data.quoting else csv.QUOTE_NONE,
        strict=strict,
    )


def _row_texts(data: Data, rows: _Rows, before: int) -> list[str]:
    """The texts of the rows after so many others."""
    texts = [text.rstrip("\r\n") for text, record in _records(data, rows) if record]
    return texts[before + rows.has_header :]


def _problem(data: Data, record: list[str], expected: int) -> tuple[str, str] | None:
    """What is wrong with a row, in general and in particular."""
    if bad := next(filter(None, map(_UNDECODABLE.search, record)), None):
        return f"not {data.encoding} text", text_files.around(bad.string, bad)
    if record and len(record) != expected:
        return "wrong number of fields", f"{len(record)} instead of {expected}"
    return None


def _diagnosis(data: Data, file: Path, expected: int) -> DataError | None:
    """Reads slowly, record by record, up to the first that is wrong; None if none is."""
    row, line = int(bool(data.header)), 1
    with text_files.opened(data, file) as text:
        # Row 0 is the header if there is one. Strict, so that an open quote at the end is an error.
        reader = _reader(data, text, strict=True)
        try:
            for record in reader:
                where = f"{file}, {_row_and_line(row, line)}"
                matters = data.on_bad_row == "error" or not row  # else it was set aside
                if matters and (bad := next(filter(_UNDECODABLE.search, record), None)):
                    return text_files.wrong_bytes(data, where, bad)
                if matters and record and expected and len(record) != expected:
                    return _ragged(where, record, expected, reader.line_num - line)
                row, line = row + bool(record), reader.line_num + 1
        except csv.Error as error:
            return _bad_quote(f"{file}, {_row_and_line(row, line)}", error)
        except UnicodeError as error:
            return text_files.wrong_bytes(
                data, f"{file}, in or after {_row_and_line(row, line)}", str(error)
            )
        except _COMPRESSION_ERRORS as error:
            return _unreadable(file, error)
    return None


def _row_and_line(row: int, line: int) -> str:
    return f"row {row} (line {line})" if row else f"header (line {line})"


def _ragged(where: str, record: list[str], expected: int, more_lines: int) -> DataError:
    quote = (
        f"it runs over {counted(more_lines + 1, 'line')}: is a quote left open? Else "
        if more_lines > 0
        else ""
    )
    return DataError(
        f"the row has {counted(len(record), 'field')}, but the header has {expected}",
        where=where,
        expected=counted(expected, "field"),
        received=_shortened(record),
        hint=f"{quote}put quotes around a field that holds the delimiter, or correct the row",
    )


def _shortened(record: list[str]) -> str:
    shown = repr(record)
    return shown if len(shown) <= 200 else shown[:200] + " ..."


def _bad_quote(where: str, error: csv.Error) -> DataError:
    return DataError(
        f"a quote in this row is not closed as it should be ({error})",
        where=where,
        expected='fields such as "a, b", with a quote inside doubled: "5"" pipe"',
        hint="close the quote, or double it if it belongs to the text",
    )


def _unreadable(file: Path, error: BaseException) -> DataError:
    if isinstance(error, _COMPRESSION_ERRORS):
        return text_files.damaged_gzip(file, error)
    return DataError(
        f"the CSV file cannot be read: {error}",
        where=str(file),
        expected=f"rows of less than {LONGEST_ROW_BYTES >> 20} MB each",
    )
