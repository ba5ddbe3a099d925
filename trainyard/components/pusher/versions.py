"""The numbered folders of a serving directory; needs no TensorFlow."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, Field

from trainyard.outputs import versions as versions

# TensorFlow Serving ignores what it does not know in assets.extra.
MARKER = Path("assets.extra") / "pushed_by.json"
RECORD = Path("assets.extra") / "run.json"
"""The record of the run that pushed the version, as it was then."""


class Origin(BaseModel):
    """What the Pusher writes beside a model: where the version comes from.

    Attributes:
        model: URI of the model artifact.
        run: The run that pushed it.
        at: When; None of versions pushed before this was kept.
        artifacts: The ids that ML Metadata knows the Pusher's inputs by.
    """

    model: str
    run: str = ""
    at: datetime | None = None
    artifacts: dict[str, int] = Field(default_factory=dict)


def origin(version: Path) -> Origin | None:
    """Reads where a version comes from; None if it was not a run that pushed it.

    Args:
        version: Its folder.
    """
    marker = version / MARKER
    return Origin.model_validate_json(marker.read_bytes()) if marker.exists() else None


def next_version(destination: Path) -> int:
    """The number that the next push takes."""
    return max((int(folder.name) for folder in versions(destination)), default=0) + 1


def remove_unfinished(destination: Path) -> None:
    """Removes what a killed push left behind."""
    for folder in destination.glob(".unfinished-*"):
        shutil.rmtree(folder)


def newest_model(destination: Path) -> str:
    """URI of the model artifact that the newest version was copied from; empty if unknown."""
    newest = [origin(version) for version in versions(destination)[-1:]]
    return newest[0].model if newest and newest[0] else ""
