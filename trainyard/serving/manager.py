"""Watches a model's base path: loads, labels, switches, drains and unloads versions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from trainyard import outputs
from trainyard.errors import RecipeError
from trainyard.model_store import version_config
from trainyard.model_store.versions import in_service
from trainyard.serving import canary
from trainyard.serving.errors import ServingError, invalid_argument, not_found
from trainyard.serving.metrics import Metrics
from trainyard.serving.options import Options
from trainyard.serving.servable import Servable

State = get_model_status_pb2.ModelVersionStatus.State

_log = logging.getLogger(__name__)


@dataclass
class _Status:
    """What GetModelStatus tells of a version."""

    state: int
    code: int = 0
    message: str = ""


class Manager:
    """The versions of one model. Everything but loading happens on the event loop's thread.

    Args:
        options: The server's.
        metrics: Where loads are counted.
        say: Told in a sentence what changes.
    """

    def __init__(self, options: Options, metrics: Metrics, say: Callable[[str], None]) -> None:
        self._options, self._metrics, self.say = options, metrics, say
        self._base = options.model_base_path
        self._config = version_config.ModelConfig()
        self._config_error = self._failure = ""
        self.canary: canary.Canary | None = None
        self._splitter = canary.Splitter()
        self._servables: dict[int, Servable] = {}
        self._statuses: dict[int, _Status] = {}
        self._labels: dict[str, int] = {}
        self._default: int | None = None
        self._broken: dict[int, object] = {}  # what a version's folder was like when it failed
        self._loading: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._loader = ThreadPoolExecutor(1, "loader")
        self._closed = False

    @property
    def default(self) -> Servable | None:
        """What answers a request that names no version; None if there is nothing."""
        return self._servables.get(self._default) if self._default is not None else None

    @property
    def waiting(self) -> int:
        """Requests in all queues."""
        return sum(servable.waiting for servable in list(self._servables.values()))

    def known_name(self, name: str) -> str:
        """Returns a model's name as metrics may have it: clients invent no others."""
        return name if name == self._options.model_name else ""

    def find(self, spec: model_pb2.ModelSpec) -> Servable:
        """Finds the version that a request means.

        Args:
            spec: From the request.

        Raises:
            ServingError: There is no such model, version or label.
        """
        name, choice = spec.name, spec.WhichOneof("version_choice")
        if not name:
            raise invalid_argument("Missing ModelSpec")
        if name != self._options.model_name:
            raise not_found(_missing(name, choice, spec))
        if choice == "version_label":
            if spec.version_label not in self._labels:
                raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
            number: int | None = self._labels[spec.version_label]
        else:
            number = spec.version.value if choice == "version" else self._default
        servable = self._servables.get(number) if number is not None else None
        if servable is None:
            raise not_found(_missing(name, choice, spec))
        return servable

    def route(self, spec: model_pb2.ModelSpec) -> Servable:
        """Finds what answers a request: a canary takes its share of those that name no version.

        Args:
            spec: From the request.

        Raises:
            ServingError: There is no such model, version or label.
        """
        return self.route_all([spec])[0]

    def route_all(self, specs: Sequence[model_pb2.ModelSpec]) -> list[Servable]:
        """Finds what answers the parts of one request; those that name no version get the same.

        Args:
            specs: From the parts.

        Raises:
            ServingError: There is no such model, version or label.
        """
        servables = [self.find(spec) for spec in specs]
        on_trial = self._canary_in_turn() if any(map(unnamed, specs)) else None
        return [
            on_trial if on_trial and unnamed(spec) else servable
            for spec, servable in zip(specs, servables, strict=True)
        ]

    def _canary_in_turn(self) -> Servable | None:
        """The canary, if the next request is one of its share."""
        if self.canary is None or self.canary.version not in self._servables:
            return None
        takes = self._splitter.takes(self.canary.share)
        return self._servables[self.canary.version] if takes else None

    def statuses(self, spec: model_pb2.ModelSpec) -> get_model_status_pb2.GetModelStatusResponse:
        """Tells the state of one version or of all, newest first.

        Args:
            spec: From the request.

        Raises:
            ServingError: There is no such model, version or label.
        """
        name = spec.name
        if not name:
            raise invalid_argument("Missing ModelSpec")
        known = self._statuses if name == self._options.model_name else {}
        numbers = sorted(known, reverse=True)
        if spec.WhichOneof("version_choice") == "version_label":
            numbers = [self.find(spec).version]
        elif spec.HasField("version"):
            numbers = [number for number in numbers if number == spec.version.value]
            if not numbers:
                raise not_found(f"Could not find version {spec.version.value} of model {name}")
        if not numbers:
            raise not_found(f"Could not find any versions of model {name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for number in numbers:
            added = response.model_version_status.add(version=number, state=known[number].state)
            added.status.error_code = known[number].code
            added.status.error_message = known[number].message
        return response

    async def watch(self) -> None:
        """Follows the base path until it is cancelled."""
        while True:
            try:
                self.follow()
                self._failure = ""
            except Exception as error:  # a file system that fails for a while
                if str(error) != self._failure:
                    _log.exception("looking at %s failed", self._base)
                    self.say(f"looking at {self._base} failed: {error}")
                self._failure = str(error)
            await asyncio.sleep(self._options.poll_seconds)

    def follow(self) -> None:
        """Compares the base path with what is loaded, and starts what has to be done."""
        if self._closed:
            return
        self._read_config()
        found = {int(folder.name): folder for folder in _whole(self._base)}
        for number in self._statuses.keys() - found.keys() - self._servables.keys():
            del self._statuses[number]
            self._broken.pop(number, None)
        wanted = self._wanted(found)
        self._switch(wanted)
        # What answers stays until another can; versions pushed faster than they load pile up not.
        for number in sorted(self._servables.keys() - wanted - {self._default}):
            self._unload(number)
        missing = wanted - self._servables.keys()
        if missing and self._loading is None:
            labels = dict(self._config.version_labels)
            stable, labelled = labels.get(version_config.STABLE), set(labels.values())
            # Until `stable` is loaded, what is on trial would answer everything.
            first = max(missing, key=lambda number: (number == stable, number in labelled, number))
            self._loading = asyncio.create_task(self._load(found[first]))

    async def load_first(self) -> None:
        """Follows the base path until a version answers, or none can."""
        while self.default is None:
            self.follow()
            if self._loading is None:
                return
            await self._loading

    async def settle(self) -> None:
        """Follows the base path until all is loaded that should be."""
        while True:
            self.follow()
            if self._loading is None:
                return
            await self._loading

    def reconfigure(self, config: version_config.ModelConfig) -> None:
        """Takes a new policy and new labels, and keeps them.

        Args:
            config: Its name and base path must be this server's, or empty.

        Raises:
            ServingError: It is of another model.
        """
        if config.name not in ("", self._options.model_name) or config.base_path not in (
            "",
            str(self._base),
        ):
            raise invalid_argument(
                f"This server serves the model {self._options.model_name} from one base path only"
            )
        for label, number in config.version_labels.items():
            if number not in self._servables:
                raise ServingError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label to version {number} of model "
                    f"{self._options.model_name}, which is not currently available for "
                    f"inference: {label}",
                )
        version_config.write(self._base, config)

    async def close(self) -> None:
        """Unloads everything; nothing is loaded any more."""
        self._closed = True
        if self._loading is not None:
            await asyncio.wait([self._loading])
        for number in list(self._servables):
            self._unload(number)
        if self._closing:
            await asyncio.wait(self._closing)
        self._loader.shutdown(wait=False)

    def _read_config(self) -> None:
        try:
            config = version_config.read(self._base)
            self.canary, self._config = canary.read(self._base, config), config
            self._config_error = ""
        except (RecipeError, OSError) as error:  # keep to what held before
            if str(error) != self._config_error:
                self.say(f"labels are not changed: {error}")
            self._config_error = str(error)

    def _wanted(self, found: dict[int, Path]) -> set[int]:
        """The versions that ought to be loaded; a broken one leaves its place to an older."""
        good = [number for number in sorted(found, reverse=True) if self._usable(found[number])]
        policy = self._config.model_version_policy
        labels = self._config.version_labels
        # A label stays where it is until its new version is loaded, which may never be.
        kept = {
            number
            for label, number in self._labels.items()
            if label in labels and labels[label] not in self._servables
        }
        if policy.HasField("all"):
            chosen = set(good)
        elif policy.HasField("specific"):
            chosen = set(policy.specific.versions)
        else:
            chosen = set(good[: policy.latest.num_versions or self._options.num_versions])
        wanted = (chosen | set(labels.values())) & set(good) | kept
        # What answers goes on answering if its folder vanished with all others.
        return wanted or set(self._servables)

    def _usable(self, folder: Path) -> bool:
        number = int(folder.name)
        if number in self._broken and self._broken[number] != _likeness(folder):
            del self._broken[number]
        return number not in self._broken

    def _switch(self, wanted: set[int]) -> None:
        """Points the labels and the default at loaded versions; a label waits for its version."""
        config = dict(self._config.version_labels)
        self._labels = {
            label: number if number in self._servables else self._labels[label]
            for label, number in config.items()
            if number in self._servables or self._labels.get(label) in self._servables
        }
        ready = [number for number in wanted if number in self._servables]
        # A label holds what is loaded even where the policy no longer wants it.
        labelled = version_config.STABLE in self._labels
        there = self._servables if labelled or not ready else ready
        default = in_service(self._labels, there)
        if default != self._default:
            self._default = default
            self._metrics.served_version.set(default or 0)
            self.say(f"version {default} answers" if default is not None else "nothing is served")

    async def _load(self, folder: Path) -> None:
        number = int(folder.name)
        likeness = _likeness(folder)
        self._statuses[number] = _Status(State.LOADING)
        try:
            servable = await asyncio.get_running_loop().run_in_executor(
                self._loader, Servable, folder, self._options, self._metrics
            )
        except Exception as error:
            self._failed(number, likeness, error)
        else:
            self._servables[number] = servable
            self._statuses[number] = _Status(State.AVAILABLE)
            self._metrics.load_attempts.add(str(folder), "OK")
            self.say(f"version {number} is loaded; batching {servable.batching}")
        finally:
            self._loading = None
            with suppress(OSError):  # the next look says so
                self.follow()

    def _failed(self, number: int, likeness: object, error: Exception) -> None:
        self._broken[number] = likeness
        message = str(error).splitlines()[0][:500] if str(error) else type(error).__name__
        # A path of this machine is none of a client's business.
        told = message.replace(str(self._base), self._options.model_name)
        self._statuses[number] = _Status(State.END, grpc.StatusCode.UNKNOWN.value[0], told)
        self._metrics.load_attempts.add(str(self._base / str(number)), "UNKNOWN")
        _log.info("version %s cannot be loaded", number, exc_info=error)
        self.say(f"version {number} is broken and not served: {message}")

    def _unload(self, number: int) -> None:
        servable = self._servables.pop(number)
        self._statuses[number] = _Status(State.UNLOADING)
        task = asyncio.create_task(self._close(servable))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, servable: Servable) -> None:
        await servable.close()
        if servable.version not in self._servables:
            self._statuses[servable.version] = _Status(State.END)
        self.say(f"version {servable.version} is unloaded")


def unnamed(spec: model_pb2.ModelSpec) -> bool:
    """Says whether a request leaves it to the server which version answers."""
    return spec.WhichOneof("version_choice") is None


def _whole(base: Path) -> list[Path]:
    """The versions there are: the Pusher renames a folder when it is whole."""
    return [folder for folder in outputs.versions(base) if (folder / "saved_model.pb").exists()]


def _likeness(folder: Path) -> object:
    """Sizes and times of a version's files: one that was broken may have been mended."""
    found = []
    for file in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            status = file.stat()
            found.append((file.name, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _missing(name: str, choice: str | None, spec: model_pb2.ModelSpec) -> str:
    asked = f"Specific({name}, {spec.version.value})" if choice == "version" else f"Latest({name})"
    return f"Servable not found for request: {asked}"
