"""Where runs and pushed models are kept: what pipeline, components and trainer modules share."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Trainyard's output folder: `TRAINYARD_HOME`, else `trainyard_out` here."""
    return Path(os.environ.get("TRAINYARD_HOME", "trainyard_out")).absolute()


def serving(recipe: str) -> Path:
    """The directory that a recipe pushes to if it names none.

    Args:
        recipe: Its name.
    """
    return home() / "serving" / recipe


def versions(destination: Path) -> list[Path]:
    """The pushed versions there are, oldest first.

    Args:
        destination: The model's base path; it need not exist.
    """
    folders = (path for path in destination.glob("*") if path.name.isdecimal() and path.is_dir())
    return sorted(folders, key=lambda folder: int(folder.name))
