"""Finds the line of a trainer module at which an exception began: its author's own line."""

from __future__ import annotations

import traceback
from pathlib import Path

_MODULES = Path(__file__).parents[1]


def own_line(error: BaseException) -> traceback.FrameSummary | None:
    """Returns the innermost frame that is in a trainer module.

    Args:
        error: What was raised.

    Returns:
        None if no trainer module was running; files below `harness` and `layers` are none.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return next((f for f in reversed(frames) if Path(f.filename).parent == _MODULES), None)


def shown(frame: traceback.FrameSummary) -> str:
    """Says where a frame is, such as `mlp.py:41, in build_model`."""
    return f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}"
