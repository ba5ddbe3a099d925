"""What a container on Vertex AI runs: TFX's entry point, with buckets as folders.

Our executors write files; Vertex AI shows gs://BUCKET as /gcs/BUCKET, so that is
what they are told, and the answer names the bucket again. Of tfx 1.16.0 two private
names are used: `_parse_flags`, and that a type's title is the path of its class.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import trainyard

MOUNTED, BUCKETS = "/gcs/", "gs://"
_INVOCATION = "--json_serialized_invocation_args"


def main(arguments: list[str]) -> None:
    """Runs one executor.

    Args:
        arguments: As TFX's runner writes them.
    """
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor as entry_point

    from trainyard.components.gate.component import GateFindings

    # Titles have one dot: Vertex AI does not take a class's whole path.
    setattr(trainyard, GateFindings.TYPE_NAME.rpartition(".")[2], GateFindings)
    place = arguments.index(_INVOCATION) + 1
    local = arguments[place].replace(BUCKETS, MOUNTED)
    words = [*arguments[:place], local, *arguments[place + 1 :]]
    entry_point.main(entry_point._parse_flags([entry_point.__name__, *words]))
    answer = Path(json.loads(local)["outputs"]["outputFile"])
    text = answer.read_text(encoding="utf-8").replace(MOUNTED, BUCKETS)
    answer.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
