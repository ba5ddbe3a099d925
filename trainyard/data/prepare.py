"""Makes a file that Trainyard reads out of what a publisher offers."""

from __future__ import annotations

import io
import itertools
import tarfile
import zipfile


def as_it_is(raw: bytes) -> bytes:
    """Returns the file unchanged."""
    return raw


def adult(header: str, raw: bytes) -> bytes:
    """Prepares a file of the Adult set.

    Takes out the blanks after the commas, the dot after the labels of the test
    file, that file's first line, which is a remark, and blank lines.

    Args:
        header: The column names, separated by commas.
        raw: The publisher's file.
    """
    lines = [line.replace(", ", ",").removesuffix(".") for line in raw.decode().splitlines()]
    return _csv(header, [line for line in lines if line and not line.startswith("|")])


def spaced(header: str, raw: bytes) -> bytes:
    """Prepares a file whose fields are separated by blanks.

    The last line ends without a line break, as it does in the copies of housing
    that are in circulation as CSV; so these are recognized too.

    Args:
        header: The column names, separated by commas.
        raw: The publisher's file.
    """
    lines = [",".join(line.split()) for line in raw.decode().splitlines() if line]
    return _csv(header, lines).removesuffix(b"\n")


def _csv(header: str, lines: list[str]) -> bytes:
    return ("\n".join([header, *lines]) + "\n").encode()


def member(name: str, raw: bytes) -> bytes:
    """Takes a file out of a tar archive.

    Args:
        name: Its path there.
        raw: The archive.

    Raises:
        ValueError: It is not in it.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            stream = archive.extractfile(name)
            return stream.read() if stream else b""
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise ValueError(f"no {name} in the archive: {error}") from None


def first_lines(name: str, count: int, raw: bytes) -> bytes:
    """Takes the first lines of a file in a zip archive.

    Args:
        name: The file's path there.
        count: How many lines.
        raw: The archive.

    Raises:
        ValueError: It is not in it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive, archive.open(name) as stream:
            return b"".join(itertools.islice(stream, count))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"no {name} in the archive: {error}") from None
