"""How a stage tells the one live line what it is doing.

A stage calls `report`; whoever draws the line has set a listener. Without one
nothing happens, so components need not know about any console.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, float | None], None]

_listener: Listener | None = None


def report(text: str, fraction: float | None = None) -> None:
    """Says what the running stage is doing.

    Args:
        text: A few words, such as `epoch 3/10  loss 0.41  auc 0.88`.
        fraction: How much is done, 0 to 1, if known.
    """
    if _listener is not None:
        _listener(text, fraction)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Sends every `report` in the block to `listener`."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
