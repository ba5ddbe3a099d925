from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trainyard.pipeline.scheduling import job, owed

FAILS = (
    "import sys; print('working', 'error: no file', '  what to do: look', sep=chr(10)); sys.exit(3)"
)


@pytest.fixture(autouse=True)
def due(home):
    owed.note("wine", datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("code", "ended", "error"),
    [
        ("print('error: is only a word here')", 0, ""),
        (FAILS, 3, "no file\n  what to do: look"),
        ("raise SystemExit(6)", 6, ""),
        ("import os; os.kill(os.getpid(), 9)", -9, "the process was killed by SIGKILL"),
    ],
)
def test_how_it_ended_is_kept_and_nothing_is_owed(code, ended, error):
    job.run("wine", "wine.yaml", "-c", code)
    outcome = owed.read_outcome("wine")
    assert (outcome.code, outcome.error) == (ended, error)
    assert outcome.log.is_file()
    assert owed.since("wine") is None


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(130)",
        # Where tests run in the background, they ignore it, and hand that on.
        "import signal; signal.signal(2, signal.SIG_DFL); signal.raise_signal(signal.SIGINT)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    ],
)
def test_what_was_stopped_is_still_owed(code):
    job.run("wine", "wine.yaml", "-c", code)
    assert owed.read_outcome("wine") is None
    assert owed.since("wine")


def test_it_works_in_the_same_home_and_cannot_ask_anything(home):
    job.run("wine", "wine.yaml", "-c", "import os; print(os.environ['TRAINYARD_HOME'], input())")
    outcome = owed.read_outcome("wine")
    assert (outcome.code, "EOFError" in outcome.log.read_text()) == (1, True)


def test_old_logs_go(home):
    folder = owed.folder("wine")
    for number in range(60):
        (folder / f"20250101-0000{number:02}.log").touch()
    job.run("wine", "wine.yaml", "-c", "")
    left = sorted(file.name for file in folder.glob("*.log"))
    assert len(left) == 50
    assert left[0] == "20250101-000011.log"
    assert (folder / left[-1]) == owed.read_outcome("wine").log
