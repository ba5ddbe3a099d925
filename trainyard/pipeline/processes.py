"""Whether a process that a file names is still there."""

from __future__ import annotations

import psutil


def alive(pid: int, since: float) -> bool:
    """Whether a process still runs.

    Args:
        pid: Its number.
        since: A moment when it was there, in seconds since 1970: a process that was made later
            has the number by chance.
    """
    try:
        process = psutil.Process(pid)
        # Where nobody waits for orphans, as in many containers, the dead keep their number.
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= since
    except psutil.Error:
        return False
