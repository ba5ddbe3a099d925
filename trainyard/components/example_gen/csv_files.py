"""CSV in blocks: Arrow reads, and the standard library finds the culprit after an error.

Arrow is fast but cannot say which row is at fault where a quoted field holds
line breaks. So its errors, and an odd number of quotes, which it does not
notice, start a second, slow reading that counts rows.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv

from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data

BLOCK_BYTES = 1 << 23
LONGEST_ROW_BYTES = 1 << 26
_COMPRESSION_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error)
_UNDECODABLE = re.compile("[\udc80-\udcff]")  # what `surrogateescape` leaves of a wrong byte


def header(data: Data, file: Path) -> list[str]:
    """Reads the column names.

    Args:
        data: The recipe's data section.
        file: The file, plain or gzip.

    Raises:
        DataError: The file is empty or unreadable, or a name is empty or occurs twice.
        RecipeError: The encoding is unknown.
    """
    try:
        with _text(data, file) as text:
            names = next(filter(None, csv.reader(text, delimiter=data.delimiter)), [])
    except (csv.Error, UnicodeError, *_COMPRESSION_ERRORS) as error:
        raise _diagnosis(data, file, 0) or _unreadable(file, error) from None
    if not names:
        raise DataError("the file is empty", where=str(file), expected="a header and rows")
    _check_names(names, file)
    if bad := next(filter(_UNDECODABLE.search, names), None):
        raise _wrong_bytes(data, f"{file}, header", bad)
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


def batches(data: Data, file: Path) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yields the rows as text, null where missing, with the bytes of the file read so far.

    Blank lines are skipped, as stock does; an empty field is always missing.

    Args:
        data: The recipe's data section.
        file: The file, plain or gzip.

    Raises:
        DataError: Something is wrong in the file; it names the row.
    """
    names = header(data, file)
    with file.open("rb") as raw:
        stream, quotes = gzip.GzipFile(fileobj=raw) if _is_gzip(file) else raw, 0
        try:
            rows = _whole_rows(_utf8(stream, data.encoding), data.delimiter.encode())
            for number, text in enumerate(rows):
                quotes += text.count(b'"')
                for batch in _parsed(data, text, names, has_header=number == 0).to_batches():
                    yield batch, raw.tell()
        except (pa.ArrowInvalid, UnicodeError, *_COMPRESSION_ERRORS) as error:
            raise _diagnosis(data, file, len(names)) or _unreadable(file, error) from None
    if quotes % 2 and (problem := _diagnosis(data, file, len(names))):
        raise problem


def _utf8(stream: IO[bytes] | gzip.GzipFile, encoding: str) -> Iterator[bytes]:
    """Reads blocks as UTF-8; what says it is UTF-8 is left for Arrow to check."""
    blocks = iter(partial(stream.read, BLOCK_BYTES), b"")
    if codecs.lookup(encoding).name == "utf-8":
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def _whole_rows(blocks: Iterator[bytes], delimiter: bytes) -> Iterator[bytes]:
    """Cuts blocks where rows end.

    Arrow's own streaming reader is not used: its threads read ahead from a Python
    file, and wait for the interpreter while the interpreter waits for them.
    """
    # A quote in the middle of a field is text; one that is never closed goes to the end.
    quoted = re.compile(rb'(?:^|(?<=[\n\r%s]))"[^"]*(?:""[^"]*)*"?' % re.escape(delimiter))
    pending = b""
    for block in blocks:
        pending += block
        end = _end_of_rows(pending, quoted)
        if end:
            yield pending[:end]
            pending = pending[end:]
        elif len(pending) > LONGEST_ROW_BYTES:
            raise pa.ArrowInvalid("a row without an end")
    if pending:
        yield pending


def _end_of_rows(text: bytes, quoted: re.Pattern[bytes]) -> int:
    """Where the last whole row ends, 0 if none does: a line break between quotes ends none."""
    spans = [match.span() for match in quoted.finditer(text)] if b'"' in text else []
    end = len(text)
    while (start := text.rfind(b"\n", 0, end)) >= 0:
        while spans and spans[-1][0] > start:
            spans.pop()
        if not spans or spans[-1][1] <= start:
            return start + 1
        end = spans[-1][0]
    return 0


def _parsed(data: Data, text: bytes, names: list[str], *, has_header: bool) -> pa.Table:
    if not text.strip():
        return pa.table({})
    return pa.csv.read_csv(
        pa.BufferReader(text),
        pa.csv.ReadOptions(column_names=None if has_header else names),
        pa.csv.ParseOptions(delimiter=data.delimiter, newlines_in_values=True),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=["", *data.missing],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _is_gzip(file: Path) -> bool:
    return file.suffix == ".gz"


def _text(data: Data, file: Path) -> IO[str]:
    """Opens the file as text; bytes that are wrong in its encoding become surrogates."""
    try:
        encoding = codecs.lookup(data.encoding).name
    except LookupError:
        raise RecipeError(
            f"there is no text encoding named {data.encoding!r}",
            where="data.encoding",
            hint="for instance utf-8, latin-1, cp1252 or utf-16",
        ) from None
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    opener = gzip.open if _is_gzip(file) else open
    return opener(file, "rt", encoding=encoding, errors="surrogateescape", newline="")


def _diagnosis(data: Data, file: Path, expected: int) -> DataError | None:
    """Reads slowly, record by record, up to the first that is wrong; None if none is."""
    row, line = 0, 1
    with _text(data, file) as text:
        # Row 0 is the header. Strict, so that an open quote at the end is an error.
        reader = csv.reader(text, delimiter=data.delimiter, strict=True)
        try:
            for record in reader:
                where = f"{file}, {_row_and_line(row, line)}"
                if bad := next(filter(_UNDECODABLE.search, record), None):
                    return _wrong_bytes(data, where, bad)
                if record and expected and len(record) != expected:
                    return _ragged(where, record, expected, reader.line_num - line)
                row, line = row + bool(record), reader.line_num + 1
        except csv.Error as error:
            return _bad_quote(f"{file}, {_row_and_line(row, line)}", error)
        except UnicodeError as error:
            return _wrong_bytes(data, f"{file}, in or after {_row_and_line(row, line)}", str(error))
        except _COMPRESSION_ERRORS as error:
            return _unreadable(file, error)
    return None


def _row_and_line(row: int, line: int) -> str:
    return f"row {row} (line {line})" if row else f"header (line {line})"


def _ragged(where: str, record: list[str], expected: int, more_lines: int) -> DataError:
    quote = (
        f"it runs over {more_lines + 1} lines: is a quote left open? Else "
        if more_lines > 0
        else ""
    )
    return DataError(
        f"the row has {len(record)} fields, but the header has {expected}",
        where=where,
        expected=f"{expected} fields",
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


def _wrong_bytes(data: Data, where: str, text: str) -> DataError:
    found = _UNDECODABLE.search(text)
    byte = f"byte 0x{ord(found[0]) - 0xDC00:02x} in {_readable(text)!r}" if found else text
    return DataError(
        f"the file is not {data.encoding} text",
        where=where,
        expected=data.encoding,
        received=byte,
        hint="set `data.encoding` in the recipe to the file's encoding, often latin-1 or cp1252",
    )


def _readable(text: str) -> str:
    return _UNDECODABLE.sub("\N{REPLACEMENT CHARACTER}", text)[:80]


def _unreadable(file: Path, error: BaseException) -> DataError:
    if isinstance(error, _COMPRESSION_ERRORS):
        return DataError(
            f"the file ends in .gz, but is not whole gzip data: {error}",
            where=str(file),
            hint="copy or compress it again, or take `.gz` off its name if it is plain text",
        )
    return DataError(
        f"the CSV file cannot be read: {error}",
        where=str(file),
        expected=f"rows of less than {BLOCK_BYTES >> 20} MB each",
    )
