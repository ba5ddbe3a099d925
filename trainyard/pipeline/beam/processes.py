"""A job server's process: started, waited for, and ended with the run.

Beam would start one for every stage, take over Ctrl-C, and leave it behind where the run is
killed; here one serves the whole run, and goes with it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from trainyard.errors import EnvironmentProblem

_STARTING_SECONDS = 120.0
_ENDING_SECONDS = 10.0


@contextmanager
def serving(command: Sequence[str], log: Path) -> Iterator[str]:
    """Runs a job server for as long as the block takes.

    Args:
        command: What `JobServer.prepare` returned.
        log: Where to what it says goes.

    Yields:
        Its address.

    Raises:
        EnvironmentProblem: It ended, or took too long to start.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="trainyard-") as artifacts:
        ports = ["--job-port", str(port), "--artifact-port", "0", "--expansion-port", "0"]
        with running([*command, "--artifacts-dir", artifacts, *ports], log) as server:
            wait_for(server, port, log)
            yield f"localhost:{port}"


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a process in a session of its own, which Ctrl-C does not reach, and ends it.

    Args:
        command: The command.
        log: Where to what it says goes.

    Yields:
        The process.
    """
    # Where the kernel can, it ends the server with us, however we end.
    tied = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*tied, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with closing(socket.socket()) as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Waits until a process listens.

    Args:
        server: The process.
        port: Where it is to listen.
        log: What it says.

    Raises:
        EnvironmentProblem: It ended, or takes too long.
    """
    until = time.monotonic() + _STARTING_SECONDS
    while server.poll() is None and time.monotonic() < until:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("localhost", port)) == 0:
                return
        time.sleep(0.1)
    status = server.poll()
    raise EnvironmentProblem(
        "the job server did not start",
        where=str(log),
        expected=f"that it listens within {_STARTING_SECONDS:g} seconds",
        received="nothing" if status is None else f"exit code {status}: {_last_line(log)}",
        hint="its log says more; engine.job_endpoint names one that is running already",
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
