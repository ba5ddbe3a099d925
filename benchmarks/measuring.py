"""Runs one command in its own process and measures it from outside."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

BUSY_CORES = 0.2
"""More than this of other programs' work, on average, makes a figure a first one only."""

_SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Measured:
    """What a process cost, its start and imports included.

    Attributes:
        seconds: Wall time from start to exit.
        peak_bytes: Largest resident memory of the process and its children together.
        processor_seconds: User and system time of all of them.
        load_before: The machine's load average over the minute before.
        others_cores: Processors that other programs kept busy meanwhile, on average.
    """

    seconds: float
    peak_bytes: int
    processor_seconds: float
    load_before: float
    others_cores: float


def measure(
    command: Sequence[str], *, folder: Path, log: Path, environment: Mapping[str, str]
) -> Measured:
    """Runs a command to its end.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        log: Gets its output.
        environment: Beside this process's own.

    Returns:
        What it cost.

    Raises:
        SystemExit: It failed.
    """
    # Set in many images; without bytecode every start takes seconds longer.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    load, busy, started = os.getloadavg()[0], _busy_seconds(), time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, env={**inherited, **environment}
        )
        peak = _PeakMemory(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}\nended with {process.returncode}; see {log}")
    processor_seconds = usage.ru_utime + usage.ru_stime
    others = (_busy_seconds() - busy - processor_seconds) / seconds
    return Measured(
        seconds=seconds,
        # Linux counts the greatest single process in KiB, without a gap between samples.
        peak_bytes=max(peak.stop(), usage.ru_maxrss * 1024),
        processor_seconds=processor_seconds,
        load_before=load,
        others_cores=max(0.0, others),
    )


def others() -> Callable[[], float]:
    """Begins to watch what else is done.

    Returns:
        What says how many processors other programs have kept busy since, on average; the work
        of children that have ended is not others'.
    """
    started, busy, own = time.monotonic(), _busy_seconds(), _own_seconds()

    def told() -> float:
        theirs = _busy_seconds() - busy - (_own_seconds() - own)
        return max(0.0, theirs / (time.monotonic() - started))

    return told


def _own_seconds() -> float:
    return sum(os.times()[:4])


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


class _PeakMemory(threading.Thread):
    """Adds up the resident memory of a process tree, ten times a second.

    Pages that two processes share count twice; none of the systems measured runs
    more than one process at a time that is of any size.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._ended = threading.Event()
        self._peak = 0
        self.start()

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            with suppress(psutil.NoSuchProcess):
                tree = [self._root, *self._root.children(recursive=True)]
                self._peak = max(self._peak, sum(map(_resident, tree)))

    def stop(self) -> int:
        """Returns the largest sum seen, in bytes."""
        self._ended.set()
        self.join()
        return self._peak


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
