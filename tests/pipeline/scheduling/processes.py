"""Real schedulers, killed as the kernel or a power cut would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from trainyard.pipeline.scheduling import scheduler


def started(home: Path, said: Path) -> subprocess.Popen[bytes]:
    """Starts `trainyard scheduler`.

    Args:
        home: Trainyard's.
        said: The file that gets what it says.
    """
    with said.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "trainyard", "scheduler"],
            stdout=stream,
            stderr=stream,
            env=os.environ | {"TRAINYARD_HOME": str(home)},
        )
    until(lambda: (found := scheduler.running()) and found.pid == process.pid, process)
    return process


def killed(process: subprocess.Popen[bytes]) -> None:
    """Kills a scheduler and all that it has started; nobody gets to clean up."""
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        for member in [process, *children]:  # else it would see a child's end
            member.send_signal(signal.SIGKILL)
    process.wait(10)


def until(
    condition: Callable[[], object], process: subprocess.Popen[bytes] | None = None, seconds=60
) -> None:
    """Waits until a condition holds, and no longer than its process lives."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None
        time.sleep(0.05)
