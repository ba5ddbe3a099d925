"""TFRecord files as large blocks of bytes with the place of every record in them.

Every stage before and after training reads its examples through here. A record is an
eight-byte length, its checksum, the bytes, and their checksum.
Source: tensorflow/core/lib/io/record_writer.h
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trainyard.components.records import checksums
from trainyard.errors import DataError

BLOCK_BYTES = 4 << 20
BLOCK_ROWS = 1 << 15
_HEADER, _FOOTER = 12, 4

Item = TypeVar("Item")


@dataclass(frozen=True)
class RecordBlock:
    """Some consecutive records of one file.

    Attributes:
        data: The bytes of the file that hold the records, their frames included.
        starts: Where each record begins in `data`, shape `(n,)`.
        ends: Where each record ends, shape `(n,)`.
        file: The file.
        fraction: How much of all input is read, 0 to 1.
    """

    data: bytes
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    file: Path
    fraction: float

    def __len__(self) -> int:
        return len(self.starts)

    def records(self) -> list[bytes]:
        """Returns the records one by one."""
        places = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        return [self.data[start:end] for start, end in places]


def shards(folder: str | Path) -> list[Path]:
    """Returns the files of a split in the order of their names.

    Args:
        folder: The split's folder.
    """
    return sorted(file for file in Path(folder).iterdir() if not file.name.startswith("."))


def read(
    files: Sequence[Path], block_bytes: int = BLOCK_BYTES, block_rows: int = BLOCK_ROWS
) -> Iterator[RecordBlock]:
    """Reads files block by block; a name that ends in `.gz` says gzip, as in TFX.

    Args:
        files: TFRecord files.
        block_bytes: The size of a block; a larger record has a block of its own.
        block_rows: The most records in a block.

    Raises:
        DataError: A file is damaged.
    """
    for block in ahead(_read(files, block_bytes)):
        # In equal parts: a rest of a few rows would cost as many calls as a whole block.
        parts = -(-len(block) // block_rows)
        places = (np.array_split(array, parts) for array in (block.starts, block.ends))
        for starts, ends in zip(*places, strict=True):
            yield replace(block, starts=starts, ends=ends)


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Makes each item in a thread while the one before is in use.

    Unpacking releases Python's lock, and so do numpy and TensorFlow for the most part.

    Args:
        items: None of them None.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _read(files: Sequence[Path], block_bytes: int) -> Iterator[RecordBlock]:
    total, before = sum(file.stat().st_size for file in files) or 1, 0
    for file in files:
        size = file.stat().st_size
        with file.open("rb") as raw:
            for data, starts, ends in _blocks(file, raw, block_bytes):
                yield RecordBlock(
                    data,
                    np.array(starts, np.int64),
                    np.array(ends, np.int64),
                    file,
                    (before + raw.tell()) / total,
                )
        before += size


def _blocks(
    file: Path, raw: BinaryIO, block_bytes: int
) -> Iterator[tuple[bytes, list[int], list[int]]]:
    compression = "gzip" if file.suffix == ".gz" else None
    rest, wanted = b"", block_bytes
    with pa.input_stream(raw, compression=compression) as stream:
        while more := _next(stream, wanted, file):
            data = rest + more if rest else more
            starts, ends, used = _frames(data)
            if not starts:
                _check_header(file, data)
            elif compression is None:  # gzip has its own checksum, over all of the file
                _check_records(file, data, starts, ends)
            if starts:
                yield data, starts, ends
            rest = data[used:]
            # A record larger than a block: read twice as much at a time until it is whole.
            wanted = block_bytes if starts else wanted * 2
    if rest:
        raise _damaged(file, "it ends within a record")


def _next(stream: Any, size: int, file: Path) -> bytes:
    try:
        return bytes(stream.read(size))
    except OSError as error:
        raise _damaged(file, str(error)) from None


def _frames(data: bytes) -> tuple[list[int], list[int], int]:
    """Finds the whole records in a block, and where the first that is not whole begins."""
    starts, ends, at, last = [], [], 0, len(data) - _HEADER
    length_at = struct.Struct("<Q").unpack_from
    while at <= last:
        start = at + _HEADER
        end = start + length_at(data, at)[0]
        if end + _FOOTER > len(data):
            break
        starts.append(start)
        ends.append(end)
        at = end + _FOOTER
    return starts, ends, at


def _check_header(file: Path, data: bytes) -> None:
    """A file of another kind must not be taken for one endless record."""
    if len(data) >= _HEADER and not _match(data, [0], [8]):
        raise _damaged(file, "where a record's length should be there is something else")


def _check_records(file: Path, data: bytes, starts: list[int], ends: list[int]) -> None:
    if not _match(data, starts, ends):
        raise _damaged(file, "a record does not have the checksum written beside it")


def _match(data: bytes, starts: list[int], ends: list[int]) -> bool:
    """Whether each of these bytes has its checksum behind it."""
    written = [struct.unpack_from("<I", data, end)[0] for end in ends]
    texts = (data[start:end] for start, end in zip(starts, ends, strict=True))
    return bool((checksums.masked(texts) == written).all())


def _damaged(file: Path, what: str) -> DataError:
    return DataError(
        f"this is not a whole TFRecord file: {what}",
        where=str(file),
        hint="run again from the stage that wrote it: trainyard run RECIPE --no-cache",
    )
