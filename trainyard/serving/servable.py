"""A loaded version that answers requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tensorflow_serving.apis import model_pb2

from trainyard.model_store import independent_rows
from trainyard.serving.batching import Batcher
from trainyard.serving.methods import Call
from trainyard.serving.metrics import Metrics
from trainyard.serving.model import SavedModel
from trainyard.serving.options import Options
from trainyard.serving.tensors import Array
from trainyard.serving.warmup import warm_up

_QUEUED_REQUESTS = 4
"""Requests of the greatest size that may wait for one signature."""


class Servable:
    """One version of a model. Made on any thread, used on the event loop's.

    Args:
        folder: Its SavedModel; the folder's name is the version's number.
        options: The server's.
        metrics: Where batches are counted.
    """

    def __init__(self, folder: Path, options: Options, metrics: Metrics) -> None:
        self.version = int(folder.name)
        self._options, self._metrics = options, metrics
        self.model = SavedModel(folder, options.tensorflow_intra_op_parallelism)
        try:
            self.warmed_up_with = warm_up(self.model, folder)
        except BaseException:
            self.model.close()
            raise
        self._batched = self._signatures_to_batch(folder)
        self._threads = ThreadPoolExecutor(options.num_batch_threads, f"version-{self.version}")
        self._batchers = {name: self._batcher(name) for name in self.model.signatures}
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    def _signatures_to_batch(self, folder: Path) -> set[str]:
        """Those whose shapes allow it, and in which a row cannot change another's answer."""
        shaped = {name for name, each in self.model.signatures.items() if each.batched}
        allowed = {"on": shaped, "off": set(), "auto": independent_rows.read(folder)}
        return shaped & allowed[self._options.batching]

    @property
    def batching(self) -> str:
        """Says whether requests of several clients go through the model together, and why."""
        if self._options.batching != "auto":
            return f"{self._options.batching} (--batching {self._options.batching})"
        if self._batched:
            return "on (rows are independent: checked before the push)"
        return "off (nothing proves that rows are independent: the push did not check it)"

    def _batcher(self, name: str) -> Batcher:
        return Batcher(
            partial(self.model.run, name),
            self._threads,
            batched=name in self._batched,
            max_rows=self._options.max_batch_size,
            max_waiting=self._options.max_enqueued_requests,
            max_bytes=_QUEUED_REQUESTS * self._options.max_request_bytes,
            observe=self._metrics.batch_rows.observe,
        )

    @property
    def waiting(self) -> int:
        """Requests in its queues."""
        return sum(batcher.waiting for batcher in self._batchers.values())

    def spec(self, signature: str = "") -> model_pb2.ModelSpec:
        """Says in a response which model answered.

        Args:
            signature: And which signature.
        """
        spec = model_pb2.ModelSpec(name=self._options.model_name, signature_name=signature)
        spec.version.value = self.version
        return spec

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps the version loaded while a request needs it."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def run(self, call: Call) -> dict[str, Array]:
        """Runs a call.

        Returns:
            All outputs by name.

        Raises:
            ServingError: The queue is full, or the model could not.
        """
        name = call.signature.name
        outputs = await self._batchers[name].submit(call.inputs, call.rows)
        return dict(zip(call.signature.outputs, outputs, strict=True))

    async def close(self) -> None:
        """Waits for the last request, then unloads. No new request may come."""
        await self._unused.wait()
        await asyncio.to_thread(self._unload)

    def _unload(self) -> None:
        self._threads.shutdown()
        self._batchers.clear()
        self.model.close()
