"""The metrics that a trainer module may ask the Evaluator for."""

from __future__ import annotations

from trainyard.recipe_schema import Task, Threshold

KNOWN: dict[Task, tuple[str, ...]] = {
    "binary": (
        "auc",
        "auc_pr",
        "accuracy",
        "precision",
        "recall",
        "f1",
        "log_loss",
        "brier",
        "calibration",
    ),
    "multiclass": ("accuracy", "log_loss", "macro_f1"),
    "regression": ("mae", "mse", "rmse", "r2"),
}
"""What can be measured, per task."""

_FLOORS: dict[Task, Threshold | None] = {
    "binary": Threshold(metric="auc", min=0.5),
    "multiclass": None,
    "regression": Threshold(metric="r2", min=0.0),
}


def standard(task: Task) -> dict[str, Threshold | None]:
    """Returns all metrics of a task; a model that is no better than none at all fails.

    Args:
        task: The kind of prediction.
    """
    floor = _FLOORS[task]
    return {name: floor if floor and floor.metric == name else None for name in KNOWN[task]}
