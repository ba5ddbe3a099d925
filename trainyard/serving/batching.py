"""Micro-batching: what has queued up while the model was busy goes through it together.

A request never waits for others to come: an idle model takes what there is.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from trainyard.serving.errors import unavailable
from trainyard.serving.tensors import Array

Run = Callable[[Sequence[Array]], list[Array]]


@dataclass(frozen=True)
class _Waiting:
    inputs: list[Array]
    rows: int
    bytes: int
    answer: asyncio.Future[list[Array]]

    @property
    def row_shapes(self) -> list[tuple[int, ...]]:
        """What has to be equal for two requests to be one batch."""
        return [array.shape[1:] for array in self.inputs]


class Batcher:
    """The queue of one signature of one loaded version.

    Everything but `run` happens on the event loop's thread.

    Args:
        run: From inputs to outputs; rows are the first dimension of each.
        executor: Where it runs.
        batched: Whether requests may be put together at all.
        max_rows: Rows of a batch; a single request may have more.
        max_waiting: Requests in the queue.
        max_bytes: Of their tensors together; a single request may have more.
        observe: Told the rows of each batch.
    """

    def __init__(
        self,
        run: Run,
        executor: Executor,
        *,
        batched: bool,
        max_rows: int,
        max_waiting: int,
        max_bytes: int = 1 << 30,
        observe: Callable[[int], object] = int,
    ) -> None:
        self._run, self._executor = run, executor
        self._batched, self._max_rows, self._max_waiting = batched, max_rows, max_waiting
        self._max_bytes, self._bytes = max_bytes, 0
        self._observe = observe
        self._queue: deque[_Waiting] = deque()
        self._busy = False

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    async def submit(self, inputs: list[Array], rows: int) -> list[Array]:
        """Runs a request, with others if there are any.

        Args:
            inputs: The request's tensors.
            rows: How many rows they have.

        Returns:
            The outputs' rows that belong to it.

        Raises:
            ServingError: The queue is full, or the model could not.
        """
        size = sum(map(_bytes, inputs))
        if len(self._queue) >= self._max_waiting or (
            self._queue and self._bytes + size > self._max_bytes
        ):
            raise unavailable("The batch scheduling queue to which this task was submitted is full")
        answer: asyncio.Future[list[Array]] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(inputs, rows, size, answer))
        self._bytes += size
        if not self._busy:
            self._start()
        return await answer

    def _start(self) -> None:
        batch = self._take()
        self._busy = bool(batch)
        if not batch:
            return
        work = self._executor.submit(self._answers, batch)
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda done: loop.call_soon_threadsafe(self._done, batch, done))

    def _take(self) -> list[_Waiting]:
        """Takes what can be run together; who has gone (deadline, cancel) is left out."""
        batch: list[_Waiting] = []
        rows = 0
        while self._queue:
            first = self._queue[0]
            if first.answer.done():
                self._bytes -= self._queue.popleft().bytes
                continue
            if batch and not (
                self._batched
                and rows + first.rows <= self._max_rows
                and first.row_shapes == batch[0].row_shapes
            ):
                break
            batch.append(self._queue.popleft())
            self._bytes -= first.bytes
            rows += first.rows
        return batch

    def _answers(self, batch: list[_Waiting]) -> list[list[Array] | Exception]:
        """Runs a batch, on the executor; a request at fault fails alone."""
        self._observe(sum(waiting.rows for waiting in batch))
        if len(batch) > 1:
            try:
                return self._split(batch)
            except Exception:  # whose fault it was, the requests one by one tell
                return [self._alone(waiting) for waiting in batch]
        return [self._alone(batch[0])]

    def _split(self, batch: list[_Waiting]) -> list[list[Array] | Exception]:
        columns = zip(*(waiting.inputs for waiting in batch), strict=True)
        outputs = self._run([np.concatenate(column) for column in columns])
        ends = list(itertools.accumulate(waiting.rows for waiting in batch))
        if any(array.ndim == 0 or len(array) != ends[-1] for array in outputs):
            self._batched = False  # the signature promised rows, and did not keep it
            raise ValueError
        bounds = itertools.pairwise([0, *ends])
        return [[array[start:end] for array in outputs] for start, end in bounds]

    def _alone(self, waiting: _Waiting) -> list[Array] | Exception:
        try:
            return self._run(waiting.inputs)
        except Exception as error:
            return error

    def _done(self, batch: list[_Waiting], work: object) -> None:
        self._start()  # the model first, then who waits for answers
        result = work.result()  # type: ignore[attr-defined]
        for waiting, outcome in zip(batch, result, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(outcome, Exception):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)


def _bytes(array: Array) -> int:
    return sum(map(len, array.flat)) if array.dtype == object else array.nbytes
