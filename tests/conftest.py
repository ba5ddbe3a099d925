"""What holds for all tests."""

from __future__ import annotations

import os
import sys

import pytest

# As `trainyard` does before TensorFlow is imported: tests in this process look at stderr too.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_ended = pytest.StashKey[int]()


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[_ended] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Ends the process as `trainyard` itself does.

    With TensorFlow and tfx_bsl in one process the interpreter's last garbage
    collection now and then crashes, when all tests have passed and been told.
    """
    if _ended in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_ended])
