"""One process, one event loop: gRPC, REST, the watcher, and how they start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
import uvicorn

from trainyard import outputs
from trainyard.errors import EnvironmentProblem, RecipeError, TrainyardError
from trainyard.serving import grpc_api
from trainyard.serving.canary_counts import CanaryCounts
from trainyard.serving.manager import Manager
from trainyard.serving.metrics import Metrics
from trainyard.serving.options import Options
from trainyard.serving.request_log import RequestLog
from trainyard.serving.rest_api import Rest
from trainyard.serving.service import Service

_COUNTS_SECONDS = 1.0


@dataclass(frozen=True)
class Started:
    """A server that answers.

    Attributes:
        grpc: Host and port.
        rest: Host and port.
        version: What answers requests that name no version.
        batching: Whether requests go through it together, and why.
    """

    grpc: str
    rest: str
    version: int
    batching: str = ""


Announce = Callable[[Started], None]
Say = Callable[[str], None]


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to this module: gRPC has to drain too."""
        yield


def serve(options: Options, *, announce: Announce, say: Say) -> None:
    """Serves until SIGTERM or SIGINT, then answers what is under way and returns.

    Args:
        options: What and where.
        announce: Called once, when a version answers and both ports are open.
        say: Told in a sentence what changes later.

    Raises:
        RecipeError: Nothing has been pushed yet.
        TrainyardError: No version can be loaded.
        EnvironmentProblem: A port is taken.
    """
    if not outputs.versions(options.model_base_path):
        raise RecipeError(
            "no version has been pushed yet",
            where=str(options.model_base_path),
            hint="trainyard run RECIPE pushes one",
        )
    asyncio.run(_Server(options, say).run(announce))


class _Server:
    def __init__(self, options: Options, say: Say) -> None:
        self._options, self._say = options, say
        self._metrics = Metrics(waiting=lambda: self._manager.waiting)
        self._manager = Manager(options, self._metrics, say)
        self._stopping = asyncio.Event()

    def _ready(self) -> bool:
        return self._manager.default is not None and not self._stopping.is_set()

    async def run(self, announce: Announce) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        options, log = self._options, None
        listener = _listen(options.host, options.rest_api_port)
        if options.log_folder is not None and options.log_sampling_rate > 0:
            log = RequestLog(options.log_folder, options, self._metrics)
        counts = CanaryCounts(options.log_folder)
        service = Service(self._manager, self._metrics, log, counts)
        keeper = asyncio.create_task(counts.keep(_COUNTS_SECONDS))
        rpc, port = grpc_api.server(service, options)
        try:
            await self._first_version()
            await self._answer(service, rpc, port, listener, announce)
        finally:
            listener.close()
            keeper.cancel()
            await self._manager.close()
            if log is not None:
                await asyncio.to_thread(log.close)

    async def _first_version(self) -> None:
        failures: list[str] = []
        said, self._manager.say = self._manager.say, failures.append
        # What was imported stays: collections after an unload need not look at it.
        gc.collect()
        gc.freeze()
        await self._manager.load_first()
        self._manager.say = said
        if self._manager.default is None:
            raise TrainyardError(
                "no pushed version can be loaded",
                where=str(self._options.model_base_path),
                received="; ".join(failures),
                hint="push a version again with trainyard run RECIPE --no-cache",
            )

    async def _answer(
        self,
        service: Service,
        rpc: grpc.aio.Server,
        port: int,
        listener: socket.socket,
        announce: Announce,
    ) -> None:
        options = self._options
        rest = _Uvicorn(
            uvicorn.Config(
                Rest(service, options, self._metrics, self._ready).app(),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=int(options.grace_seconds) or None,
            )
        )
        await rpc.start()
        http = asyncio.create_task(rest.serve(sockets=[listener]))
        watcher = asyncio.create_task(self._manager.watch())
        host = f"[{options.host}]" if ":" in options.host else options.host
        answers = self._manager.default
        announce(
            Started(
                grpc=f"{host}:{port}",
                rest=f"{host}:{listener.getsockname()[1]}",
                version=answers.version if answers else 0,
                batching=answers.batching if answers else "",
            )
        )
        await self._stopping.wait()
        self._say("stopping: answering what is under way")
        rest.should_exit = True
        await asyncio.gather(rpc.stop(options.grace_seconds), http)
        watcher.cancel()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot listen on {host}:{port}: {error.strerror}",
            where="--rest-api-port",
            hint="another server may have the port; choose another, or 0 for any",
        ) from None
