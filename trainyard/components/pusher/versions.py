"""The numbered folders of a serving directory; needs no TensorFlow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from trainyard.outputs import versions as versions

# TensorFlow Serving ignores what it does not know in assets.extra.
MARKER = Path("assets.extra") / "pushed_by.json"


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
