"""What kind of file, or folder of them, it is: format, delimiter and encoding, told from bytes."""

from __future__ import annotations

import codecs
import csv
import gzip
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from trainyard.components.example_gen import text_files
from trainyard.errors import DataError
from trainyard.wording import counted

_BEGINNING = 64 * 1024
_CHUNK = 1024 * 1024
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_NOT_READ = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "compressed by gzip, of which its name says nothing (.gz)",
    b"SQLite": "an SQLite database",
    b"{": "JSON",
    b"[": "JSON",
}
_UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
_WHAT_TO_DO = "save the table as CSV or Parquet, then try again"


@dataclass(frozen=True)
class Source:
    """How a file is to be read.

    Attributes:
        path: The file, or the pattern of the files.
        format: Told from its first bytes, not from its name.
        delimiter: CSV: between the fields.
        encoding: Of text.
        sentences: What was assumed, for the user.
    """

    path: Path
    format: Literal["csv", "parquet", "lines"]
    delimiter: str = ","
    encoding: str = "utf-8"
    sentences: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name; of a pattern, with the folder's."""
        parts = self.path.parts[-2:] if self.format == "lines" else self.path.parts[-1:]
        return "/".join(parts)


def sniff(path: Path) -> Source:
    """Tells format, delimiter and encoding of a file.

    Args:
        path: A CSV or Parquet file, or a folder with a text file for each class.

    Raises:
        DataError: There is no such file, it cannot be read, or it is something else.
    """
    if path.is_dir():
        return _classes(path)
    beginning = _beginning(path)
    if beginning.startswith(b"PAR1"):
        return Source(path, "parquet", sentences=("The file is Parquet: its types are kept.",))
    for signature, what in _NOT_READ.items():
        if beginning.startswith(signature):
            raise DataError(f"{path} is {what}", expected="a CSV or Parquet file", hint=_WHAT_TO_DO)
    try:
        encoding, encoding_sentence = _encoding(path, beginning)
    except text_files.COMPRESSION_ERRORS as error:
        raise text_files.damaged_gzip(path, error) from None
    text = codecs.getincrementaldecoder(encoding)("replace").decode(beginning)
    delimiter = _delimiter(text, whole=len(beginning) < _BEGINNING)
    sentence = f"The file is read as CSV with {_DELIMITERS[delimiter]} between the fields, "
    return Source(path, "csv", delimiter, encoding, (sentence + encoding_sentence,))


def _classes(folder: Path) -> Source:
    """Texts, one a line, in a file for each class."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name[0] != ".")
    if len(files) < 2:
        raise DataError(
            f"{folder} has {counted(len(files), 'file')}",
            expected="a text file for each class, a text on each line",
            hint="of other folders, such as those of images, docs/images.md shows a recipe",
        )
    beginnings = {file: _beginning(file) for file in files}
    for file, beginning in beginnings.items():
        if b"\0" in beginning and not beginning.startswith(_UTF_16):
            raise DataError(f"{file} is no text", expected="a file of texts, one a line")
    told = [_encoding(file, beginning) for file, beginning in beginnings.items()]
    encoding, sentence = next((each for each in told if each[0] != "utf-8"), told[0])
    endings = {file.suffix for file in files}
    pattern = folder / (f"*{endings.pop()}" if len(endings) == 1 else "*")
    read = f"Each of {counted(len(files), 'file')} is a class, each of its lines a text, "
    return Source(pattern, "lines", encoding=encoding, sentences=(read + sentence,))


def _beginning(path: Path) -> bytes:
    try:
        with _opened(path) as stream:
            beginning = stream.read(_BEGINNING)
    except text_files.COMPRESSION_ERRORS as error:
        raise text_files.damaged_gzip(path, error) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", hint="check --data") from None
    if not beginning.strip():
        raise DataError(f"{path} is empty", expected="a header line and rows")
    return beginning


def _opened(path: Path) -> IO[bytes]:
    """Opens a file, through gzip if its name says so."""
    if text_files.is_gzip(path):
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def _encoding(path: Path, beginning: bytes) -> tuple[str, str]:
    if beginning.startswith(_UTF_16):
        return "utf-16", "in UTF-16 (it begins with a byte order mark)."
    foreign = _first_not_utf8(path)
    if foreign is None:
        return "utf-8", "in UTF-8."
    encoding = "cp1252" if _decodes(path, "cp1252") else "latin-1"
    word = _word(foreign.decode(encoding, "replace"))
    return encoding, (
        f"in {encoding}: it is not UTF-8, and {encoding} is assumed, in which one word reads "
        f"{word!r}. If that is wrong, change `encoding` in the recipe."
    )


def _first_not_utf8(path: Path) -> bytes | None:
    """The bytes around the first place that is not UTF-8, or None."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _opened(path) as stream:
        while chunk := stream.read(_CHUNK):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                return error.object[max(0, error.start - 20) : error.start + 20]
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return error.object
    return None


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with _opened(path) as stream:
        try:
            while chunk := stream.read(_CHUNK):
                decoder.decode(chunk)
        except UnicodeDecodeError:
            return False
    return True


def _word(text: str) -> str:
    words = re.findall(r"\w+", text)
    return next((word for word in words if not word.isascii()), text)


def _delimiter(text: str, *, whole: bool) -> str:
    """The delimiter that cuts most rows into the same number of fields."""
    lines = text.splitlines(keepends=True)
    rows = lines if whole or len(lines) == 1 else lines[:-1]  # the last may be cut off

    def evenness(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(row) for row in csv.reader(rows, delimiter=delimiter) if row)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        return (count / widths.total() if width > 1 else 0.0, width)

    try:
        return max(_DELIMITERS, key=evenness)
    except csv.Error:  # a field of more than 131,072 characters, or a stray NUL
        return ","
