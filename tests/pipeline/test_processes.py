import os
import subprocess
import sys
import time

import psutil

from trainyard.pipeline.processes import alive


def test_this_process_is_alive_and_was_not_there_in_2001():
    assert alive(os.getpid(), time.time())
    assert not alive(os.getpid(), 1e9)


def test_the_dead_are_not_alive_even_if_nobody_waits_for_them():
    process = subprocess.Popen([sys.executable, "-c", ""])
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not alive(process.pid, time.time())
    process.wait()
    assert not alive(process.pid, time.time())
