"""Text in a stated encoding, plain or gzip, and where a byte stands that is wrong in it."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Data

BLOCK_BYTES = 1 << 22
COMPRESSION_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error)
UNDECODABLE = re.compile("[\udc80-\udcff]")
"""What Python's error handler `surrogateescape` leaves of a wrong byte."""


def encoding(data: Data) -> str:
    """Returns Python's name of the recipe's encoding.

    Args:
        data: The recipe's data section.

    Raises:
        RecipeError: There is no such encoding of text.
    """
    try:
        "".encode(data.encoding)
        return codecs.lookup(data.encoding).name
    except LookupError:
        raise RecipeError(
            f"there is no text encoding named {data.encoding!r}",
            where="data.encoding",
            hint="for instance utf-8, latin-1, cp1252 or utf-16",
        ) from None


def is_gzip(file: Path) -> bool:
    """Whether a file's name says that it is compressed."""
    return file.suffix == ".gz"


def opened(data: Data, file: Path) -> IO[str]:
    """Opens a file as text; bytes that are wrong in its encoding become surrogates.

    Args:
        data: The recipe's data section.
        file: The file, plain or gzip.

    Raises:
        RecipeError: The encoding is unknown.
    """
    opener = gzip.open if is_gzip(file) else open
    return opener(file, "rt", encoding=_without_mark(data), errors="surrogateescape", newline="")


def decoded(data: Data, file: Path, wrong: str = "error") -> Iterator[tuple[str, int]]:
    """Yields blocks of text, every line break as a line feed, and how many bytes were read.

    Args:
        data: The recipe's data section.
        file: The file, plain or gzip.
        wrong: What to do about a byte that is wrong in the encoding: `error`, or `quarantine`
            for leaving a surrogate in its place.

    Raises:
        RecipeError: The encoding is unknown.
        DataError: A byte is wrong, or the file is not whole gzip data.
    """
    decode = codecs.getincrementaldecoder(_without_mark(data))("surrogateescape")
    decoder = io.IncrementalNewlineDecoder(decode, translate=True)
    lines = 1
    with file.open("rb") as raw:
        stream = gzip.GzipFile(fileobj=raw) if is_gzip(file) else raw
        try:
            while block := stream.read(BLOCK_BYTES):
                text = decoder.decode(block)
                if wrong == "error":
                    _check(data, file, text, lines)
                lines += text.count("\n")
                yield text, raw.tell()
            text = decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise wrong_bytes(data, f"{file}, in or after line {lines}", str(error)) from None
        except COMPRESSION_ERRORS as error:
            raise damaged_gzip(file, error) from None
        if wrong == "error":
            _check(data, file, text, lines)
        yield text, raw.tell()


def _without_mark(data: Data) -> str:
    name = encoding(data)
    return "utf-8-sig" if name == "utf-8" else name


def _check(data: Data, file: Path, text: str, lines: int) -> None:
    if found := UNDECODABLE.search(text):
        line = lines + text.count("\n", 0, found.start())
        start = text.rfind("\n", 0, found.start()) + 1
        end = text.find("\n", found.start())
        raise wrong_bytes(
            data, f"{file}, line {line}", text[start:end] if end >= 0 else text[start:]
        )


def wrong_bytes(data: Data, where: str, text: str) -> DataError:
    """Returns the error for bytes that are not text in the recipe's encoding.

    Args:
        data: The recipe's data section.
        where: The file and the line.
        text: What stands there, a surrogate for each wrong byte; or what is wrong.
    """
    found = UNDECODABLE.search(text)
    byte = f"byte 0x{ord(found[0]) - 0xDC00:02x} in {around(text, found)!r}" if found else text
    return DataError(
        f"the file is not {data.encoding} text",
        where=where,
        expected=data.encoding,
        received=byte,
        hint="set `data.encoding` in the recipe to the file's encoding, often latin-1 or cp1252",
    )


def around(text: str, found: re.Match[str]) -> str:
    """Returns some text on both sides of a wrong byte, which is shown as a question mark."""
    start = max(0, found.start() - 40)
    return UNDECODABLE.sub("\N{REPLACEMENT CHARACTER}", text[start : start + 80])


def damaged_gzip(file: Path, error: BaseException) -> DataError:
    """Returns the error for a file that cannot be decompressed.

    Args:
        file: The file.
        error: What the decompression says.
    """
    return DataError(
        f"the file ends in .gz, but is not whole gzip data: {error}",
        where=str(file),
        hint="copy or compress it again, or take `.gz` off its name if it is plain text",
    )
