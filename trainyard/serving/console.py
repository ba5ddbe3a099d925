"""What a person sees of a server: where it is, how to ask it, and what changes."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from trainyard.errors import RecipeError
from trainyard.serving.metrics import PATH
from trainyard.serving.options import Options
from trainyard.serving.server import Started
from trainyard.serving.server import serve as serve_until_stopped
from trainyard.trainer_modules.harness import description

_PHOTO = "PHOTO"
_EXAMPLES: dict[str, Any] = {"string": "", "int64": 0, "float32": 0.0}


def serve(options: Options) -> None:
    """Serves until stopped, and says on standard output what a person should know.

    Args:
        options: What and where.

    Raises:
        TrainyardError: As `trainyard.serving.server.serve`.
    """
    console = Console(highlight=False, soft_wrap=True)

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
        row = {
            told.tensors[column]: {"b64": _PHOTO} if column in told.images else _EXAMPLES[kind]
            for column, kind in told.inputs.items()
        }
        body = {"signature_name": "serving_raw", "instances": [row]}
    quoted = shlex.quote(json.dumps(body)).replace(_PHOTO, "'$(base64 -w0 photo.jpg)'")
    return f"curl -d {quoted} {rest}/v1/models/{name}:predict"
