"""Which files an Examples artifact was made of: a list beside its splits."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from trainyard import file_digests
from trainyard.files import write_whole

FILE = "inputs.json"


def states(files: Iterable[Path]) -> dict[str, str]:
    """Says what files hold, by their path.

    Args:
        files: They are there; of a folder all that is in it counts.

    Returns:
        Digests of their content by path.
    """
    with file_digests.remembered() as digest_of:
        return {str(file): digest_of(file) for file in files}


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
