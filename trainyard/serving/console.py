"""What a person sees of a server: where it is, how to ask it, and what changes."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from tensorflow.core.example import example_pb2

from trainyard.errors import RecipeError
from trainyard.serving import warmup
from trainyard.serving.metrics import PATH
from trainyard.serving.options import Options
from trainyard.serving.server import Started
from trainyard.serving.server import serve as serve_until_stopped
from trainyard.trainer_modules.harness import description

_PHOTO = "PHOTO"
_MISSING: dict[str, Any] = {"string": "", "int64": -(2**63), "float32": float("nan")}


def serve(options: Options) -> None:
    """Serves until stopped, and says on standard output what a person should know.

    Args:
        options: What and where.

    Raises:
        TrainyardError: As `trainyard.serving.server.serve`.
    """
    console = Console(highlight=False, emoji=False, soft_wrap=True)

    def announce(started: Started) -> None:
        for line in lines(options, started):
            console.print(line, markup=False)

    def say(text: str) -> None:
        console.print(f"{time.strftime('%H:%M:%S')}  {text}", markup=False)

    serve_until_stopped(options, announce=announce, say=say)


def lines(options: Options, started: Started) -> list[str]:
    """Tells where a server is and how to ask it.

    Args:
        options: What it was told.
        started: Where it listens.
    """
    name, rest = options.model_name, f"http://{started.rest}"
    logged = f"{options.log_sampling_rate:.0%} to {options.log_folder}"
    return [
        f"{name}  version {started.version} answers",
        f"gRPC     {started.grpc}",
        f"REST     {rest}/v1/models/{name}",
        f"metrics  {rest}{PATH}",
        f"log      {logged if options.log_folder and options.log_sampling_rate else 'off'}",
        f"try      {curl(options.model_base_path / str(started.version), name, rest)}",
        f"batching {started.batching}",
    ]


def curl(saved_model: Path, name: str, rest: str) -> str:
    """Writes a request that the model answers.

    Args:
        saved_model: The served version's folder.
        name: The model's.
        rest: Where the server is.
    """
    try:
        told = description.read(saved_model)
    except RecipeError:  # pushed by something else
        return f"curl {rest}/v1/models/{name}/metadata"
    if not told.tensors:
        body: dict[str, Any] = {"instances": [{"b64": ""}]}
    else:
        known = _known_row(saved_model)
        row = {
            told.tensors[column]: {"b64": _PHOTO}
            if column in told.images
            else known.get(column, _MISSING[kind])
            for column, kind in told.inputs.items()
        }
        body = {"signature_name": "serving_raw", "instances": [row]}
    quoted = shlex.quote(json.dumps(body)).replace(_PHOTO, "'$(base64 -w0 photo.jpg)'")
    return f"curl -d {quoted} {rest}/v1/models/{name}:predict"


def _known_row(saved_model: Path) -> dict[str, Any]:
    """A row of the data that the version is warmed up with."""
    for log in warmup.read(saved_model):
        serialized = log.predict_log.request.inputs["examples"].string_val[0]
        features = example_pb2.Example.FromString(serialized).features.feature
        return {
            name: _value(feature)
            for name, feature in features.items()
            if _value(feature) is not None
        }
    return {}


def _value(feature: example_pb2.Feature) -> Any:
    """What JSON writes for a feature's first value; None if it has none."""
    kind = feature.WhichOneof("kind")
    values = getattr(feature, kind).value if kind else ()
    if not values:
        return None
    if kind == "bytes_list":
        return values[0].decode("utf-8", "replace")
    return values[0] if kind == "int64_list" else float(str(np.float32(values[0])))
