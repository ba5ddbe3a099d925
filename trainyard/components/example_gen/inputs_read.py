"""Which files an Examples artifact was made of: a list beside its splits."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from trainyard.files import write_whole

FILE = "inputs.json"


def states(files: Iterable[Path]) -> dict[str, str]:
    """What is known of files without reading them.

    Args:
        files: They are there.

    Returns:
        Size and time of change by path.
    """
    found = ((file, file.stat()) for file in files)
    return {str(file): f"{state.st_size} {state.st_mtime_ns}" for file, state in found}


def write(folder: Path, files: Iterable[Path]) -> None:
    """Notes the files of an artifact.

    Args:
        folder: The artifact's.
        files: What it was made of.
    """
    write_whole(folder / FILE, json.dumps(states(files), indent=1))


def read(folder: Path) -> dict[str, str]:
    """Reads what `write` wrote; nothing of an artifact that an earlier Trainyard made.

    Args:
        folder: The artifact's.
    """
    file = folder / FILE
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}
