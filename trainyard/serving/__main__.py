"""A server for another program: `python -m trainyard.serving OPTIONS`.

OPTIONS is JSON (`trainyard.serving.options.Options`). When it answers, the server writes
one line of JSON with its addresses to standard output, and a line for what changes later.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
import warnings


def main() -> int:
    """Serves until SIGTERM."""
    # Before anything is imported that reads them.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # the frameworks'
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from trainyard.errors import TrainyardError
    from trainyard.serving.options import Options
    from trainyard.serving.server import serve

    def tell(document: dict[str, object]) -> None:
        print(json.dumps(document), flush=True)  # noqa: T201

    try:
        serve(
            Options.model_validate_json(sys.argv[1]),
            announce=lambda started: tell(dataclasses.asdict(started)),
            say=lambda text: tell({"said": text}),
        )
    except TrainyardError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # as `trainyard` itself ends: native threads may still hold Python objects
