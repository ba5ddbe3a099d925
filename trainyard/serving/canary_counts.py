"""What became of the requests that a canary and the version beside it answered.

The request log has answers only, and a sample. Errors and latencies are counted here: of
every request that named no version, from the canary's beginning. Each server keeps one small
file in the log folder, rewritten whole; readers add them up.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections import Counter
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, Field

from trainyard.files import write_whole
from trainyard.serving.canary import Canary

_PER_OCTAVE = 16  # a bucket is 4 % wide
_NOT_OURS = "CANCELLED"
"""The client left: neither answered nor failed."""


class Counts(BaseModel):
    """The requests of one version.

    Attributes:
        statuses: How many ended with which gRPC code.
        latencies: How many of those answered took so long: by bucket, sixteen from one
            number of microseconds to its double.
    """

    statuses: Counter[str] = Field(default_factory=Counter)
    latencies: Counter[int] = Field(default_factory=Counter)

    def add(self, status: str, seconds: float) -> None:
        """Counts a request.

        Args:
            status: Its gRPC code.
            seconds: How long it took.
        """
        self.statuses[status] += 1
        if status == "OK":
            self.latencies[_bucket(seconds)] += 1

    @property
    def requests(self) -> int:
        """How many there were that the client waited for."""
        return sum(self.statuses.values()) - self.statuses[_NOT_OURS]

    @property
    def errors(self) -> int:
        """How many of them were not answered."""
        return self.requests - self.statuses["OK"]

    def seconds(self, share: float) -> float:
        """The time within which a share of the answers came; NaN if there were none.

        Args:
            share: Such as 0.95.
        """
        left = share * self.latencies.total()
        for bucket, count in sorted(self.latencies.items()):
            left -= count
            if left <= 0:
                return float(2 ** (bucket / _PER_OCTAVE) / 1e6)
        return math.nan

    def slower(self, seconds: float) -> int:
        """How many answers took longer.

        Args:
            seconds: Than this.
        """
        limit = _bucket(seconds)
        return sum(count for bucket, count in self.latencies.items() if bucket > limit)


def _bucket(seconds: float) -> int:
    return round(_PER_OCTAVE * math.log2(max(seconds * 1e6, 1.0)))


class _Trial(BaseModel):
    since: datetime
    versions: dict[int, Counts] = Field(default_factory=dict)


class CanaryCounts:
    """Counts while there is a canary.

    Args:
        folder: Where the file is; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        # Servers of several machines may share the folder.
        name = f"canary-{socket.gethostname()}-{os.getpid()}.json"
        self._file = None if folder is None else folder / name
        self._trial: _Trial | None = None
        self._changed = False

    def add(self, canary: Canary | None, version: int, status: str, seconds: float) -> None:
        """Counts a request that named no version.

        Args:
            canary: What is on trial.
            version: What answered, or should have.
            status: Its gRPC code.
            seconds: How long it took.
        """
        if canary is None or self._file is None:
            return
        if self._trial is None or self._trial.since != canary.since:
            self._trial = _Trial(since=canary.since)
        self._trial.versions.setdefault(version, Counts()).add(status, seconds)
        self._changed = True

    async def keep(self, every: float) -> None:
        """Writes what has changed, until it is cancelled, and then once more.

        Args:
            every: So many seconds.
        """
        try:
            while True:
                await asyncio.sleep(every)
                await asyncio.to_thread(_write, *self._taken())
        finally:
            _write(*self._taken())

    def _taken(self) -> tuple[Path | None, str]:
        changed, self._changed = self._changed, False
        return self._file, self._trial.model_dump_json() if changed and self._trial else ""


def _write(file: Path | None, document: str) -> None:
    if file is not None and document:
        with suppress(OSError):  # a full disk stops the counts, not the server
            write_whole(file, document)


def read(folder: Path, canary: Canary) -> dict[int, Counts]:
    """Adds up what all servers have counted.

    Args:
        folder: Of their request logs; it need not exist.
        canary: The trial that is meant.

    Returns:
        By version.
    """
    total: dict[int, Counts] = {}
    for file in sorted(folder.glob("canary-*.json")):
        trial = _Trial.model_validate_json(file.read_bytes())
        if trial.since == canary.since:
            for version, counts in trial.versions.items():
                kept = total.setdefault(version, Counts())
                kept.statuses.update(counts.statuses)
                kept.latencies.update(counts.latencies)
    return total


def clear(folder: Path) -> None:
    """Removes what was counted of earlier trials.

    Args:
        folder: Of the request logs; it need not exist.
    """
    for file in folder.glob("canary-*.json"):
        file.unlink(missing_ok=True)
