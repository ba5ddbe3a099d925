"""What an Evaluator found, read with TFMA whoever wrote it: did all systems do the same work?

    python -m benchmarks.outcome HOME RESULT

finds the one evaluation under a folder and writes rows judged, slices and overall
metrics as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma

METRICS = ("example_count", "accuracy", "auc")


def main(home: str, target: str) -> None:
    """Reads the first evaluation under a folder."""
    (first, *_) = sorted(Path(home).glob("**/Evaluator/evaluation/*"), key=lambda f: int(f.name))
    Path(target).write_text(json.dumps(found(first)), encoding="utf-8")


def found(evaluation: Path) -> dict[str, Any]:
    """Returns `slices` and the metrics over all rows, from an evaluation's folder."""
    by_slice = tfma.load_eval_result(str(evaluation)).get_metrics_for_all_slices()
    return {"slices": len(by_slice)} | {name: by_slice[()][name]["doubleValue"] for name in METRICS}


if __name__ == "__main__":
    main(*sys.argv[1:])
