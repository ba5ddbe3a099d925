"""Works on a few blocks at a time: Arrow, zlib and numpy let go of the interpreter."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_MOST_WORKERS = 4  # more would wait for the interpreter

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def mapped(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Yields the results in the order of the items; no more are begun than there are cores.

    Args:
        work: Called in threads; an error of it is raised where its result would be.
        items: Taken one by one, in the caller's thread.
    """
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    begun: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) > workers:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
