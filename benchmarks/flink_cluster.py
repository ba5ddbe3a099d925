"""A Flink cluster of processes on this machine: a JobManager and some task managers.

It needs the jars of a Flink distribution, the folder `lib`: of the archive that Flink publishes, or
of the Python package `apache-flink-libraries` (`pip install --no-deps --target FOLDER`, then
FOLDER/pyflink/lib).
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from trainyard.pipeline.beam import java
from trainyard.pipeline.beam.processes import free_port, running

_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_SECONDS = 60.0

# What Flink's shell scripts work out from the size of a process.
_MEMORY = {
    "taskmanager.cpu.cores": "1.0",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.task.heap.size": "1024m",
    "taskmanager.memory.task.off-heap.size": "0",
    "taskmanager.memory.managed.size": "512m",
    "taskmanager.memory.network.min": "512m",
    "taskmanager.memory.network.max": "512m",
    "taskmanager.memory.jvm-metaspace.size": "512m",
    "taskmanager.memory.jvm-overhead.min": "192m",
    "taskmanager.memory.jvm-overhead.max": "192m",
}


class FlinkCluster:
    """A cluster that is running; see `flink_cluster`.

    Attributes:
        master: HOST:PORT of its REST interface.
    """

    def __init__(self, jars: Path, folder: Path, slots: int, stack: ExitStack) -> None:
        self._folder, self._slots, self._stack = folder, slots, stack
        self._java = [*java.suitable(java.NEWEST, "Flink"), "-Xmx1536m", "-cp", f"{jars}/*"]
        self._task_managers: list[subprocess.Popen[bytes]] = []
        port = free_port()
        self.master = f"localhost:{port}"
        settings = {
            "jobmanager.rpc.address": "localhost",
            "jobmanager.rpc.port": free_port(),
            "jobmanager.memory.process.size": "1600m",
            "rest.address": "localhost",
            "rest.port": port,
            "heartbeat.interval": 2000,
            "heartbeat.timeout": 10000,
            "io.tmp.dirs": folder,
            "taskmanager.host": "localhost",
            "taskmanager.numberOfTaskSlots": slots,
            # 512 by default, for each of the many small shuffles of a Beam job at once.
            "taskmanager.network.sort-shuffle.min-buffers": 16,
            **_MEMORY,
        }
        (folder / "flink-conf.yaml").write_text("".join(f"{k}: {v}\n" for k, v in settings.items()))
        self._start("jobmanager", _JOB_MANAGER)

    def add_task_manager(self) -> None:
        """Starts one more, and waits until the cluster has its slots."""
        expected = self.asked("overview").get("slots-total", 0) + self._slots
        name = f"taskmanager-{len(self._task_managers) + 1}"
        self._task_managers.append(self._start(name, _TASK_MANAGER))
        until = time.monotonic() + _SECONDS
        while self.asked("overview").get("slots-total", 0) < expected:
            if time.monotonic() > until:
                raise SystemExit(f"{name} did not come up; its log is in {self._folder}")
            time.sleep(0.2)

    def kill_task_manager(self) -> None:
        """Kills the newest one, as the kernel would if memory ran out."""
        self._task_managers[-1].kill()

    def asked(self, path: str) -> dict[str, Any]:
        """What the REST interface answers; nothing while it does not."""
        with suppress(requests.RequestException, ValueError):
            return dict(requests.get(f"http://{self.master}/{path}", timeout=5).json())
        return {}

    def _start(self, name: str, main: str) -> subprocess.Popen[bytes]:
        command = [*self._java, main, "--configDir", str(self._folder)]
        return self._stack.enter_context(running(command, self._folder / f"{name}.log"))


@contextmanager
def flink_cluster(jars: Path, folder: Path, *, slots: int = 2) -> Iterator[FlinkCluster]:
    """Starts a JobManager and two task managers, and ends them.

    Args:
        jars: A Flink distribution's `lib`.
        folder: For its settings, logs and files.
        slots: Of each task manager.

    Yields:
        The cluster.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        cluster = FlinkCluster(jars, folder, slots, stack)
        for _ in range(2):
            cluster.add_task_manager()
        yield cluster
