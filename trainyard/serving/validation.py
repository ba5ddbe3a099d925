"""Infra validation without Docker: a candidate is served for a moment, by a server of its own.

What TFX's InfraValidator does in a container: the model is loaded as it will be in service, in
another process, and answers real requests over the network. A model that kills the server
kills only that one.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import numpy as np
import requests
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from trainyard.errors import ContractError
from trainyard.serving import tensors
from trainyard.serving.options import Options
from trainyard.serving.tensors import Array

_NAME = "candidate"
_SECONDS = 120.0  # a load, or an answer
_REQUEST_BYTES = 16 << 20


def answers(saved_model: Path, examples: Sequence[bytes]) -> dict[str, Array]:
    """Asks a candidate over gRPC, and over REST whether it is available.

    Args:
        saved_model: Its folder; any name will do.
        examples: Serialized tf.Examples for `serving_default`.

    Returns:
        All outputs by name, a row an example.

    Raises:
        ContractError: The server could not load it, died, or answered with an error.
    """
    with _serving(saved_model) as (process, address, rest):
        try:
            url = f"http://{rest}/v1/models/{_NAME}"
            (state,) = requests.get(url, timeout=_SECONDS).json()["model_version_status"]
            if state["state"] != "AVAILABLE":
                raise _refused(f"its state is {state['state']}")
            parts = _predicted(address, examples)
        except (grpc.RpcError, requests.RequestException) as error:
            told = error.details() if isinstance(error, grpc.Call) else str(error)
            died = f"; the server ended with {process.poll()}" if process.poll() else ""
            raise _refused(f"{told}{died}") from None
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@contextlib.contextmanager
def _serving(saved_model: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    with (
        tempfile.TemporaryDirectory(prefix="trainyard-") as folder,
        tempfile.TemporaryFile("w+") as errors,
    ):
        (Path(folder) / "1").symlink_to(saved_model.absolute(), target_is_directory=True)
        options = Options(model_name=_NAME, model_base_path=Path(folder), port=0, rest_api_port=0)
        command = [sys.executable, "-m", "trainyard.serving", options.model_dump_json()]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            try:
                line = process.stdout.readline() if process.stdout else ""
                if not line:
                    process.wait(_SECONDS)
                    errors.seek(0)
                    raise _refused(errors.read()[-2000:].strip() or f"exit {process.returncode}")
                started = json.loads(line)
                yield process, started["grpc"], started["rest"]
            finally:
                process.terminate()


def _predicted(address: str, examples: Sequence[bytes]) -> list[dict[str, Array]]:
    with grpc.insecure_channel(
        address, [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    ) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return [_asked(stub, part) for part in _parts(examples)]


def _asked(
    stub: prediction_service_pb2_grpc.PredictionServiceStub, examples: Sequence[bytes]
) -> dict[str, Array]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = _NAME
    tensors.to_proto(np.array(examples, object), request.inputs["examples"])
    response = stub.Predict(request, timeout=_SECONDS)
    return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}


def _parts(examples: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Splits examples into requests of bounded size; images may be large."""
    part: list[bytes] = []
    size = 0
    for example in examples:
        if part and size + len(example) > _REQUEST_BYTES:
            yield part
            part, size = [], 0
        part.append(example)
        size += len(example)
    if part:
        yield part


def _refused(why: str) -> ContractError:
    return ContractError(
        "the candidate cannot be served; nothing was pushed",
        expected="a server in its own process that loads it and answers",
        received=why,
        hint="trainyard serve shows the same with a version pushed by hand",
    )
