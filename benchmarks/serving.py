"""Measures the model server against the same model called in process, and lets it soak.

    python -m benchmarks.serving                             # figures, about a minute
    python -m benchmarks.serving soak                        # ten minutes
    python -m benchmarks.serving --model trainyard_out/serving/taxi_tips/1

Without `--model` the newest pushed version of `recipes/taxi_tips.yaml` is served. Figures, each
for one row of raw columns as a tf.Example:

- in process: `tf.saved_model.load(...).signatures["serving_default"]`, on one core;
- plain: a thread-pool gRPC server around that same call, one request at a time;
- trainyard: `trainyard serve`, with its micro-batching; no request is logged.

Goals: one client waits at most 2.5 times as long as the call in process takes (p50), and 32
clients get at least as many answers a second as calls in process on one core. What the soak is, and
when it is met, is in `benchmarks/soak.py`; its exit code is 0 then, else 1.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREDICT = "/tensorflow.serving.PredictionService/Predict"
CLIENTS = 32


@dataclass(frozen=True)
class Latency:
    """Seconds of single calls."""

    p50: float
    p99: float
    rate: float

    @classmethod
    def of(cls, seconds: list[float], rate: float) -> Latency:
        """Summarizes calls.

        Args:
            seconds: Of each.
            rate: Calls a second.
        """
        parts = statistics.quantiles(seconds, n=100)
        return cls(parts[49], parts[98], rate)

    def __str__(self) -> str:
        return f"{self.rate:7.0f} /s   p50 {self.p50 * 1e3:6.2f} ms   p99 {self.p99 * 1e3:6.2f} ms"


def serialized_example(model: Path) -> bytes:
    """Makes a row of a model's raw columns."""
    from tensorflow.core.example import example_pb2

    told = json.loads((model / "assets.extra" / "trainyard.json").read_text())
    example = example_pb2.Example()
    for name, kind in told["inputs"].items():
        feature = example.features.feature[name]
        if kind == "int64":
            feature.int64_list.value.append(3)
        elif kind == "float32":
            feature.float_list.value.append(3.0)
        else:
            feature.bytes_list.value.append(b"a")
    return bytes(example.SerializeToString())


def request_of(example: bytes) -> bytes:
    """Makes the PredictRequest with one row, serialized: clients should cost little."""
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "model"
    tensor = request.inputs["examples"]
    tensor.dtype = 7
    tensor.tensor_shape.dim.add().size = 1
    tensor.string_val.append(example)
    return bytes(request.SerializeToString())


def in_process(model: Path, example: bytes, seconds: float) -> Latency:
    """Times the plain call, on one core."""
    import tensorflow as tf

    call = tf.saved_model.load(str(model)).signatures["serving_default"]

    def once() -> None:
        for value in call(tf.constant([example])).values():
            value.numpy()

    for _ in range(200):
        once()
    taken: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() < began + seconds:
        started = time.perf_counter()
        once()
        taken.append(time.perf_counter() - started)
    return Latency.of(taken, len(taken) / (time.perf_counter() - began))


def plain_server(model: Path) -> None:
    """Serves as one would without further thought: a thread a request, a call a request."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    call = tf.saved_model.load(str(model)).signatures["serving_default"]

    class Plain(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
        def Predict(self, request: Any, context: Any) -> Any:  # noqa: ARG002
            answer = call(tf.constant(tf.make_ndarray(request.inputs["examples"])))
            response = predict_pb2.PredictResponse()
            for name, value in answer.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(CLIENTS))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Plain(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"grpc": f"127.0.0.1:{port}"}), flush=True)  # noqa: T201
    server.wait_for_termination()


@contextmanager
def started(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs a server in its own process; gives it and its gRPC address."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "NONE"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL, env=environment
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())["grpc"]
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def trainyard_command(base: Path, **options: object) -> list[str]:
    """How another program starts the server."""
    told = {
        "model_name": "model",
        "model_base_path": str(base),
        "port": 0,
        "rest_api_port": 0,
        **options,
    }
    return [sys.executable, "-m", "trainyard.serving", json.dumps(told)]


async def ask(
    address: str, request: bytes, *, clients: int, seconds: float, rate: float | None = None
) -> tuple[Latency, list[str]]:
    """Asks from several clients at once.

    Args:
        address: Of the server.
        request: What each asks, again and again.
        clients: How many there are.
        seconds: How long.
        rate: Requests a second of all together; without it each asks as soon as it is answered.

    Returns:
        What they saw, and what went wrong.
    """
    import grpc

    taken: list[float] = []
    failures: list[str] = []
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(PREDICT)
        for _ in range(200):
            await call(request)
        began = time.perf_counter()

        async def client(number: int) -> None:
            turn = began + (number / rate if rate else 0)
            while (now := time.perf_counter()) < began + seconds:
                if rate:
                    turn += clients / rate
                    await asyncio.sleep(max(0.0, turn - now))
                    now = time.perf_counter()
                try:
                    await call(request)
                except grpc.RpcError as error:
                    failures.append(f"{error.code().name}: {error.details()}")
                taken.append(time.perf_counter() - now)

        await asyncio.gather(*map(client, range(clients)))
        rate_seen = len(taken) / (time.perf_counter() - began)
    return Latency.of(taken, rate_seen), failures


def one_client(address: str, request: bytes, seconds: float) -> Latency:
    """Asks as an ordinary blocking client does."""
    import grpc

    taken: list[float] = []
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(PREDICT)
        for _ in range(200):
            call(request)
        began = time.perf_counter()
        while time.perf_counter() < began + seconds:
            now = time.perf_counter()
            call(request)
            taken.append(time.perf_counter() - now)
    return Latency.of(taken, len(taken) / (time.perf_counter() - began))


def figures(model: Path, seconds: float) -> list[str]:
    """Measures all three and compares them.

    Args:
        model: A version's folder.
        seconds: Of each measurement.
    """
    example = serialized_example(model)
    request = request_of(example)
    command = [sys.executable, "-m", "benchmarks.serving", "in-process", "--model", str(model)]
    command += ["--seconds", str(seconds)]
    alone = Latency(**json.loads(subprocess.check_output(command, stderr=subprocess.DEVNULL)))
    seen: dict[str, tuple[Latency, Latency]] = {}
    plain = [sys.executable, "-m", "benchmarks.serving", "plain", "--model", str(model)]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "1").symlink_to(model.absolute())
        for name, line in (("plain", plain), ("trainyard", trainyard_command(Path(folder)))):
            with started(line) as (_, address):
                single = one_client(address, request, seconds)
                many, failures = asyncio.run(
                    ask(address, request, clients=CLIENTS, seconds=seconds)
                )
                if failures:
                    raise SystemExit(f"{name}: {len(failures)} failed, {failures[0]}")
                seen[name] = single, many
    lines = [f"in process, one core          {alone}"]
    for name, (single, many) in seen.items():
        lines += [
            f"{name:<10} 1 client           {single}",
            f"{name:<10} {CLIENTS} clients         {many}",
        ]
    single, many = seen["trainyard"]
    return [
        *lines,
        f"1 client waits {single.p50 / alone.p50:.2f} times the call in process "
        f"(goal: at most 2.5), with the plain server {seen['plain'][0].p50 / alone.p50:.2f} times",
        f"{CLIENTS} clients get {many.rate / alone.rate:.2f} times the answers of calls in process "
        f"(goal: at least 1), from the plain server {seen['plain'][1].rate / alone.rate:.2f} times",
    ]


def push(model: Path, base: Path, number: int, *, broken: bool = False) -> None:
    """Copies a version as the Pusher does: beside, then renamed."""
    beside = base / f".unfinished-{number}"
    shutil.copytree(model, beside)
    if broken:
        (beside / "saved_model.pb").write_bytes(b"broken")
    beside.rename(base / str(number))


def main() -> None:
    """Prints the figures."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", nargs="?", default="figures", choices=["figures", "soak", "plain", "in-process"]
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the soak")
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two pushes")
    given = parser.parse_args()
    model = given.model or _newest()
    if given.what == "plain":
        plain_server(model)
    elif given.what == "in-process":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        latency = in_process(model, serialized_example(model), given.seconds)
        print(json.dumps(latency.__dict__))  # noqa: T201
    elif given.what == "soak":
        from benchmarks import soak

        lines, met = soak.run(model, given.minutes, given.every)
        print("\n".join(lines))  # noqa: T201
        raise SystemExit(0 if met else 1)
    else:
        print("\n".join(figures(model, given.seconds)))  # noqa: T201


def _newest() -> Path:
    from trainyard import outputs

    versions = outputs.versions(outputs.serving("taxi_tips"))
    if not versions:
        raise SystemExit("first: trainyard run recipes/taxi_tips.yaml")
    return versions[-1]


if __name__ == "__main__":
    main()
