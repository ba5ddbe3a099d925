"""The numbered folders of a serving directory; needs no TensorFlow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

# TensorFlow Serving ignores what it does not know in assets.extra.
MARKER = Path("assets.extra") / "pushed_by.json"


def versions(destination: Path) -> list[Path]:
    """The versions there are, oldest first.

    Args:
        destination: The model's base path; it need not exist.
    """
    folders = (path for path in destination.glob("*") if path.name.isdecimal() and path.is_dir())
    return sorted(folders, key=lambda folder: int(folder.name))


def next_version(destination: Path) -> int:
    """The number that the next push takes."""
    return max((int(folder.name) for folder in versions(destination)), default=0) + 1


def remove_unfinished(destination: Path) -> None:
    """Removes what a killed push left behind."""
    for folder in destination.glob(".unfinished-*"):
        shutil.rmtree(folder)


def newest_model(destination: Path) -> str:
    """URI of the model artifact that the newest version was copied from; empty if unknown."""
    for version in reversed(versions(destination)):
        marker = version / MARKER
        return json.loads(marker.read_text("utf-8"))["model"] if marker.exists() else ""
    return ""
