"""TFRecord files of one split: gzip, in shards of a bounded size.

A record is an eight-byte length, its checksum, the bytes, and their checksum.
Source: tensorflow/core/lib/io/record_writer.h

A shard is several gzip members one after the other, one for each block of
rows. Readers see one stream, and blocks can be compressed at the same time.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from trainyard.components.records import checksums, encoder

SHARD_BYTES = 1 << 27
"""A shard is full with so many bytes of records, before compression."""

_FASTEST, _NOT_AT_ALL = 1, 0


def framed(examples: pa.Array, records: Sequence[bytes]) -> pa.Array:
    """Puts length and checksums around each record.

    Args:
        examples: A binary array of shape `(n,)`.
        records: The same, one by one.
    """
    header = encoder.by_length(examples, _header)
    footer = encoder.binary(np.full(len(records), 4), checksums.masked(records))
    return encoder.joined(header, examples, footer)


def compressed(records: pa.Array) -> tuple[bytes, int]:
    """Compresses framed records, level 1 as the fastest.

    Args:
        records: From `framed`.

    Returns:
        A gzip member, and how many bytes it holds.
    """
    return _member(records, _FASTEST)


def stored(records: pa.Array) -> tuple[bytes, int]:
    """Like `compressed`, for records that hold nothing to compress, such as images."""
    return _member(records, _NOT_AT_ALL)


def _member(records: pa.Array, level: int) -> tuple[bytes, int]:
    content = encoder.content(records)
    # Without the time of day, so that equal data make equal files.
    return gzip.compress(content, level, mtime=0), len(content)


def _header(length: int | None) -> bytes:
    number = struct.pack("<Q", length)
    return number + checksums.masked([number]).tobytes()


class ShardWriter:
    """Writes the shards of one split, `PREFIX-00000-of-0000N.gz`.

    How many there are is known at the end only: until `finish`, their names
    begin with a dot, which no pattern of a reader matches.

    Args:
        prefix: The path of a shard up to its number; the folder is made if need be.
    """

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        self._unnamed: list[Path] = []
        self._room = 0
        prefix.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def write(self, member: bytes, size: int) -> None:
        """Appends a gzip member, to a new shard if the last one is full.

        Args:
            member: From `compressed`.
            size: How many bytes it holds.
        """
        if not size:
            return  # TensorFlow takes an empty member for the end of the file
        if self._room <= 0:
            self._stream.close()
            self._open()
        self._stream.write(member)
        self._room -= size

    def close(self) -> None:
        """Closes the shard that is open."""
        self._stream.close()

    def finish(self) -> None:
        """Gives the shards their names."""
        self.close()
        for number, file in enumerate(self._unnamed):
            count = len(self._unnamed)
            file.rename(f"{self._prefix}-{number:05d}-of-{count:05d}.gz")

    def _open(self) -> None:
        self._unnamed.append(self._prefix.with_name(f".{len(self._unnamed):05d}"))
        self._stream: IO[bytes] = self._unnamed[-1].open("wb")
        self._room = SHARD_BYTES
