"""Loads the model server for minutes while versions come and go; `benchmarks.serving soak`.

70 % of the measured top load; a version every 20 seconds, one of them broken; half way a rollback,
which is taken back three versions later. Met if no request failed, the load was held, every
whole version answered, the broken one never did, the rollback took effect within a second and
memory stayed flat.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil
from tensorflow_serving.apis import predict_pb2

from benchmarks import machine
from benchmarks.serving import (
    CLIENTS,
    PREDICT,
    Latency,
    ask,
    push,
    request_of,
    serialized_example,
    started,
    trainyard_command,
)
from trainyard.model_store import version_config
from trainyard.wording import counted

SHARE = 0.7  # of the top load
HELD = 0.95  # of that, at least
ROLLBACK_SECONDS = 1.0
GROWTH = 0.05  # of memory, from the second third to the last
LOOK_SECONDS = 0.05
FEWEST = 8  # versions: enough for all that happens
_MEASURED = ("trainyard/serving", "benchmarks/soak.py", "benchmarks/serving.py")


@dataclass(frozen=True)
class Plan:
    """What happens when; versions count from 1.

    Attributes:
        minutes: How long.
        every: Seconds between two pushes.
    """

    minutes: float
    every: float

    def __post_init__(self) -> None:
        if self.versions < FEWEST:
            raise SystemExit(f"a soak needs time for {FEWEST} versions, not {self.versions}")

    @property
    def versions(self) -> int:
        """How many there will have been."""
        return int(self.minutes * 60 / self.every)

    @property
    def broken(self) -> int:
        """The version that cannot be loaded."""
        return self.versions // 3

    @property
    def rollback(self) -> int:
        """Before this version's push the one that answers is given up for the one before it."""
        return self.versions // 2 + 1

    @property
    def stable(self) -> int:
        """The version that the rollback is to."""
        return self.rollback - 2

    @property
    def held(self) -> range:
        """The versions that are pushed while another is stable."""
        return range(self.rollback, self.rollback + 3)


@dataclass
class Soaked:
    """What a soak came to.

    Attributes:
        plan: What happened.
        top: Answers a second without a pause.
        seen: What the clients saw.
        failures: What went wrong.
        answered: The versions that answered, with the moment of each look, in seconds.
        rolled_back: The moment of the rollback.
        memory: MiB of the server, after each push.
    """

    plan: Plan
    top: float
    seen: Latency
    failures: list[str]
    answered: list[tuple[float, int]] = field(default_factory=list)
    rolled_back: float = 0.0
    memory: list[int] = field(default_factory=list)

    @property
    def missing(self) -> list[int]:
        """Whole versions that never answered, but for those behind a rollback."""
        plan = self.plan
        wanted = set(range(1, plan.versions + 1)) - {plan.broken} - set(plan.held)
        return sorted(wanted - {version for _, version in self.answered})

    @property
    def rollback_seconds(self) -> float:
        """From the rollback to the first answer of the version that it is to."""
        answers = (
            when
            for when, version in self.answered
            if when > self.rolled_back and version == self.plan.stable
        )
        return next(answers, float("inf")) - self.rolled_back

    @property
    def growth(self) -> float:
        """Of memory, as a share: the median of the last third over that of the second."""
        third = len(self.memory) // 3
        second, last = self.memory[third : 2 * third], self.memory[2 * third :]
        return statistics.median(last) / statistics.median(second) - 1

    def wrong(self) -> Iterator[str]:
        """Yields why a soak is not met."""
        if self.failures:
            yield f"{counted(len(self.failures), 'request')} failed, the first: {self.failures[0]}"
        if self.seen.rate < HELD * SHARE * self.top:
            yield f"only {self.seen.rate:.0f} requests a second came through"
        if self.missing:
            yield f"versions never answered: {self.missing}"
        if self.plan.broken in {version for _, version in self.answered}:
            yield f"the broken version {self.plan.broken} answered"
        if self.rollback_seconds > ROLLBACK_SECONDS:
            yield f"the rollback took {self.rollback_seconds:.1f} s"
        if self.growth > GROWTH:
            yield f"memory grew by {self.growth:.0%}: {self.memory}"

    def report(self) -> list[str]:
        """The figures as a table, and whether they are what they have to be."""
        plan, seen = self.plan, self.seen
        requests = seen.rate * plan.minutes * 60
        wrong = list(self.wrong())
        rows = {
            f"top load, {CLIENTS} clients": f"{self.top:,.0f} answers a second",
            f"{plan.minutes:g} minutes at {SHARE:.0%} of it": f"{requests:,.0f} requests, "
            f"{seen.rate:,.0f} a second",
            "latency": f"p50 {seen.p50 * 1e3:.1f} ms, p99 {seen.p99 * 1e3:.1f} ms",
            "failed": f"{len(self.failures)}",
            "versions": f"{plan.versions}, one every {plan.every:g} s; "
            f"{plan.broken} was broken and did not answer",
            "rollback": f"to version {plan.stable}, in effect after {self.rollback_seconds:.2f} s",
            "memory": f"{self.memory[0]} MiB after the first push, {self.memory[-1]} at the end; "
            f"second third to last: {self.growth:+.1%}",
        }
        return [
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in rows.items()),
            "",
            machine.described(machine.facts()) + f"; commit {machine.commit(_MEASURED)}",
            *(f"NOT MET: {reason}" for reason in wrong),
            *([] if wrong else ["met"]),
        ]


async def soak(model: Path, plan: Plan) -> Soaked:
    """Loads the server while versions come and go.

    Args:
        model: What each version is a copy of.
        plan: What happens.
    """
    request = request_of(serialized_example(model))
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "model"
        base.mkdir()
        push(model, base, 1)
        log = {"log_folder": f"{folder}/log", "log_sampling_rate": 0.1}
        with started(trainyard_command(base, **log)) as (process, address):
            top, _ = await ask(address, request, clients=CLIENTS, seconds=5)
            load = asyncio.create_task(
                ask(
                    address,
                    request,
                    clients=CLIENTS,
                    seconds=plan.minutes * 60,
                    rate=SHARE * top.rate,
                )
            )
            soaked = Soaked(plan, top.rate, top, [])
            watching = asyncio.create_task(_watch(address, request, soaked))
            await _push_all(model, base, soaked, psutil.Process(process.pid))
            soaked.seen, failures = await load
            watching.cancel()
    soaked.failures += failures
    return soaked


async def _push_all(model: Path, base: Path, soaked: Soaked, server: psutil.Process) -> None:
    plan = soaked.plan
    for number in range(2, plan.versions + 1):
        await asyncio.sleep(plan.every)
        if number == plan.rollback:
            version_config.label(base, {version_config.STABLE: plan.stable})
            soaked.rolled_back = time.perf_counter()
        await asyncio.to_thread(push, model, base, number, broken=number == plan.broken)
        if number == plan.held.stop:
            version_config.label(base, {version_config.STABLE: None})
        if not server.is_running():
            raise SystemExit("the server died")
        soaked.memory.append(server.memory_info().rss >> 20)


async def _watch(address: str, request: bytes, soaked: Soaked) -> None:
    """Looks which version answers, many times a second."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(
            PREDICT, response_deserializer=predict_pb2.PredictResponse.FromString
        )
        while True:
            try:
                version = (await call(request)).model_spec.version.value
                soaked.answered.append((time.perf_counter(), version))
            except grpc.RpcError as error:
                soaked.failures.append(f"{error.code().name}: {error.details()}")
            await asyncio.sleep(LOOK_SECONDS)


def run(model: Path, minutes: float, every: float) -> tuple[Sequence[str], bool]:
    """Soaks, and returns what to print and whether it was met."""
    soaked = asyncio.run(soak(model, Plan(minutes, every)))
    return soaked.report(), not list(soaked.wrong())
