"""The metrics that a trainer module may ask the Evaluator for, or training may monitor."""

from __future__ import annotations

from typing import Any, Literal

from trainyard.recipe_schema import EarlyStopping, Task

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
    "text": ("perplexity", "bits_per_character", "bleu", "chrf", "exact_match"),
}
"""What can be measured, per task."""


def standard(params: Any, task: Task) -> tuple[str, ...]:
    """Returns all metrics of a task: a trainer module's `metrics`, if it has none of its own.

    Args:
        params: The module's hyperparameters; not read.
        task: The kind of prediction.
    """
    del params
    return KNOWN[task]


_RISING = ("auc", "accuracy", "precision", "recall", "f1", "r2")


def direction(stopping: EarlyStopping) -> Literal["min", "max"]:
    """Says whether the monitored value should fall or rise.

    Keras can tell only once the model has been trained for a step.

    Args:
        stopping: The recipe's early stopping; its `mode` counts unless it is `auto`.
    """
    if stopping.mode != "auto":
        return stopping.mode
    return "max" if stopping.monitor.endswith(_RISING) else "min"
