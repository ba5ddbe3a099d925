"""What a benchmark ran on, and which commit it measured."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
_PACKAGES = ("tfx", "apache-beam", "tensorflow", "keras", "pyarrow", "numpy")


def facts() -> dict[str, Any]:
    """Returns processor, memory, system and versions."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in _PACKAGES},
    }


def described(machine: Mapping[str, Any]) -> str:
    """Puts `facts` in words."""
    memory = machine["memory_bytes"] / 2**30
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {memory:.0f} GiB, {machine['system']}; "
        f"{versions}"
    )


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def commit(measured: Sequence[str]) -> str:
    """Returns the last commit that changed what is measured, and a digest of what is not in one.

    Args:
        measured: Files and folders of the repository.
    """
    last = _git("log", "-1", "--format=%h", "--", *measured).strip()
    changes = _git("diff", "HEAD", "--", *measured)
    return last + (f"+{sha256(changes.encode()).hexdigest()[:7]}" if changes else "")


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
