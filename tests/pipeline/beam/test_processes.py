"""A job server starts, is waited for, and leaves with the run, however that ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainyard.errors import EnvironmentProblem
from trainyard.pipeline.beam import processes

KEEPS = """
import signal, sys, time
from pathlib import Path
from trainyard.pipeline.beam.processes import running
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
log = Path(sys.argv[1])
with running(["sh", "-c", "echo ready; exec sleep 60"], log) as process:
    while not log.read_text():
        time.sleep(0.02)
    print(process.pid, flush=True)
    time.sleep(60)
"""


def is_gone(pid: int) -> bool:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_is_no_orphan(tmp_path, how):
    if how != signal.SIGINT and not shutil.which("setpriv"):
        pytest.skip("there is no setpriv to tie the processes together")
    command = [sys.executable, "-c", KEEPS, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as keeper:
        pid = int(keeper.stdout.readline())
        keeper.send_signal(how)
    assert is_gone(pid)


def test_it_is_ended_with_the_block(tmp_path):
    with processes.running(["sleep", "60"], tmp_path / "log") as process:
        assert os.getsid(process.pid) == process.pid  # Ctrl-C is for us
    assert process.returncode == -signal.SIGTERM


def test_one_that_does_not_go_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_ENDING_SECONDS", 0.2)
    stays = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]
    log = tmp_path / "log"
    with processes.running(stays, log) as process:
        while not log.read_text():
            time.sleep(0.02)
    assert process.returncode == -signal.SIGKILL


def test_its_last_words(tmp_path):
    with (
        pytest.raises(EnvironmentProblem, match="did not start") as caught,
        processes.serving(["sh", "-c", "echo no room; exit 3"], tmp_path / "log"),
    ):
        pass
    assert caught.value.received == "exit code 3: no room"


def test_one_that_never_listens(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_STARTING_SECONDS", 0.3)
    with (
        pytest.raises(EnvironmentProblem) as caught,
        processes.serving(["sh", "-c", "exec sleep 60"], tmp_path / "log"),
    ):
        pass
    assert caught.value.received == "nothing"
