"""Keeps a sample of requests and answers as TFRecords of PredictionLog.

A file that is being written is called `....tfrecord.open`. It is renamed when it is full or
old enough, so a `....tfrecord` is whole. What a killed server left open is mended by the next
one: whole records are kept, a torn end is cut off.
"""

from __future__ import annotations

import fcntl
import os
import queue
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from trainyard.serving.methods import Method
from trainyard.serving.metrics import Metrics
from trainyard.serving.options import Options

WHOLE = ".tfrecord"
OPEN = ".tfrecord.open"

_MAX_QUEUED = 1000
_MAX_QUEUED_BYTES = 64 << 20

_Entry = tuple[Method, Any, Any, float]


class RequestLog:
    """Writes on a thread of its own; a request never waits for the disk.

    Args:
        folder: Where the files are; one server at a time should write there.
        options: The server's.
        metrics: Where records are counted.
    """

    def __init__(self, folder: Path, options: Options, metrics: Metrics) -> None:
        self._folder, self._options, self._metrics = folder, options, metrics
        self._queue: queue.Queue[_Entry | None] = queue.Queue(_MAX_QUEUED)
        # Each is added to by one thread only; what is queued is the difference.
        self._offered = self._taken = 0
        folder.mkdir(parents=True, exist_ok=True)
        for file in left_open(folder):
            mend(file)
        self._thread = threading.Thread(target=self._write, name="request-log", daemon=True)
        self._thread.start()

    def offer(self, method: Method, request: Any, response: Any) -> None:
        """Logs a request, perhaps: chance decides, and a full queue drops it.

        Args:
            method: What was asked.
            request: The request.
            response: The answer.
        """
        if random.random() >= self._options.log_sampling_rate:
            return
        size = request.ByteSize()
        try:
            if self._offered - self._taken + size > _MAX_QUEUED_BYTES:
                raise queue.Full
            self._queue.put_nowait((method, request, response, time.time()))
            self._offered += size
        except queue.Full:
            self._metrics.log_records.labels("dropped").inc()

    def close(self) -> None:
        """Writes what is queued, and renames the file."""
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        file: _OpenFile | None = None
        going_on = True
        while going_on:
            try:
                entry = self._queue.get(timeout=1.0)
                going_on = entry is not None
                self._taken += entry[1].ByteSize() if entry else 0
            except queue.Empty:
                entry = None
            try:
                if entry is not None:
                    file = file or _OpenFile(self._folder)
                    file.add(_record(entry, self._options))
                    self._metrics.log_records.labels("logged").inc()
                if file is not None and (not going_on or self._over(file)):
                    file.close()
                    file = None
                    self._cap()
                elif file is not None and entry is None:
                    file.flush()
            except (OSError, tf.errors.OpError):  # a full disk stops the log, not the server
                self._metrics.log_records.labels("failed").inc()
                file = None

    def _over(self, file: _OpenFile) -> bool:
        return (
            file.bytes >= self._options.log_file_bytes
            or time.monotonic() - file.opened >= self._options.log_file_seconds
        )

    def _cap(self) -> None:
        files = sorted(self._folder.glob(f"*{WHOLE}"), reverse=True)  # newest first
        total = 0
        for file in files:
            total += file.stat().st_size
            if total > self._options.log_total_bytes:
                file.unlink(missing_ok=True)


class _OpenFile:
    """The file that is being written."""

    def __init__(self, folder: Path) -> None:
        now = time.time_ns()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now // 10**9))
        name = f"{stamp}-{now % 10**9 // 1000:06d}-{os.getpid()}{OPEN}"
        self._path = folder / name
        self._writer = tf.io.TFRecordWriter(str(self._path))
        self._lock = self._path.open("rb")
        fcntl.flock(self._lock, fcntl.LOCK_SH)  # until this process ends, however it does
        self.opened = time.monotonic()
        self.bytes = 0

    def add(self, record: bytes) -> None:
        self._writer.write(record)
        self.bytes += len(record) + 16

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
        self._path.rename(self._path.with_name(self._path.name.removesuffix(OPEN) + WHOLE))
        self._lock.close()


def _record(entry: _Entry, options: Options) -> bytes:
    method, request, response, when = entry
    log = prediction_log_pb2.PredictionLog()
    log.log_metadata.model_spec.CopyFrom(response.model_spec)
    log.log_metadata.sampling_config.sampling_rate = options.log_sampling_rate
    log.log_metadata.timestamp_secs = int(when)
    part = getattr(log, method.log)
    part.request.CopyFrom(request)
    part.response.CopyFrom(response)
    return bytes(log.SerializeToString())


def left_open(folder: Path) -> list[Path]:
    """Finds the files of servers that are no more.

    Args:
        folder: Of a request log.
    """
    return [file for file in sorted(folder.glob(f"*{OPEN}")) if not _is_written(file)]


def _is_written(file: Path) -> bool:
    """Whether a server writes a file. Its lock tells: in a container all have the same number."""
    with file.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def mend(file: Path) -> None:
    """Makes a whole file of one that was left open; one without a whole record is removed.

    Args:
        file: It ends in `.tfrecord.open`.
    """
    beside = file.with_name(f".{file.name}")
    count = 0
    with tf.io.TFRecordWriter(str(beside)) as writer:
        for record in _whole_records(file):
            writer.write(record)
            count += 1
    if count:
        beside.rename(file.with_name(file.name.removesuffix(OPEN) + WHOLE))
    else:
        beside.unlink()
    file.unlink()


def read(folder: Path, *, since: float = 0.0) -> Iterator[prediction_log_pb2.PredictionLog]:
    """Reads a log, oldest first, also while a server writes it.

    Args:
        folder: Of a request log; it need not exist.
        since: Seconds since 1970; older records are left out.

    Yields:
        Whole records.
    """
    for file in sorted([*folder.glob(f"*{WHOLE}"), *folder.glob(f"*{OPEN}")]):
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < since:
                continue
        # Renamed between listing and reading: the whole file has the same beginning.
        there = file if file.exists() else file.with_name(file.name.removesuffix(".open"))
        for record in _whole_records(there):
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.log_metadata.timestamp_secs >= int(since):
                yield log


def _whole_records(file: Path) -> Iterator[bytes]:
    with suppress(tf.errors.DataLossError, tf.errors.NotFoundError):
        yield from tf.data.TFRecordDataset([str(file)]).as_numpy_iterator()
