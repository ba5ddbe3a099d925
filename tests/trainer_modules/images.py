"""Hand-made model specifications with an image input, and batches that fit them."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainyard.recipe_schema import Task, Trainer
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
SHAPE = (8, 8, 1)
OTHERS = {"kind_id": InputSpec((1,), "int64", 7), "numeric": InputSpec((3,), "float32")}
LABELS: dict[Task, LabelSpec] = {
    "binary": LabelSpec(16, ("no", "yes"), (8, 8)),
    "multiclass": LabelSpec(16, ("a", "b", "c"), (6, 5, 5)),
    "regression": LabelSpec(16, mean=1000.0, std=300.0),
}


def specification(
    task: Task = "multiclass",
    shape: tuple[int, int, int] = SHAPE,
    *,
    others: bool = False,
    **trainer: Any,
) -> ModelSpec:
    """One image of `shape`, and with `others` a category and three numbers beside it."""
    inputs = {"image": InputSpec(shape, "float32")} | (OTHERS if others else {})
    return ModelSpec(inputs, task, LABELS[task], Trainer(**trainer))


def one_batch(spec: ModelSpec, size: int = 16) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Noise as the harness would decode it, 0 to 1, and labels that have nothing to do with it."""
    random = np.random.default_rng(3)
    x = {name: _values(entry, size, random) for name, entry in spec.inputs.items()}
    if spec.task == "regression":
        return x, random.normal(spec.label.mean, spec.label.std, (size, 1)).astype(np.float32)
    return x, random.permutation(np.arange(size) % spec.classes)[:, None]


def _values(entry: InputSpec, size: int, random: np.random.Generator) -> np.ndarray:
    if entry.vocabulary_size:
        return random.integers(0, entry.vocabulary_size, (size, *entry.shape))
    return random.random((size, *entry.shape), np.float32)
