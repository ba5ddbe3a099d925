"""The state of interrupted training: one file, replaced whole after every epoch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

Row = dict[str, float]
Rate = tuple[int, float]
"""A training step, counted from 0, and its learning rate."""
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class State:
    """What training needs to go on as if nothing had happened.

    Attributes:
        variables: Of the model, random generators included, and of its optimizers.
        best: The model's variables after the best epoch.
        history: What each finished epoch logged.
        finished: Whether early stopping has ended the training.
        learning_rates: Of some steps.
    """

    variables: list[Array]
    best: list[Array]
    history: list[Row] = field(default_factory=list)
    finished: bool = False
    learning_rates: list[Rate] = field(default_factory=list)


def path(folder: Path, *identity: str) -> Path:
    """Returns where the state of one training lies.

    Args:
        folder: The recipe's checkpoints.
        *identity: All that makes this training another one than the next:
            configuration, code, and where the examples come from.
    """
    digest = hashlib.sha256("\0".join(identity).encode()).hexdigest()
    return folder / digest[:32] / "state.npz"


def save(file: Path, state: State) -> None:
    """Writes beside and renames, so that a kill leaves the old state or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{os.getpid()}.partial")
    kept = ("history", "finished", "learning_rates")
    rest = json.dumps({name: getattr(state, name) for name in kept})
    arrays = {f"variable_{i}": array for i, array in enumerate(state.variables)}
    arrays |= {f"best_{i}": array for i, array in enumerate(state.best)}
    with beside.open("wb") as stream:
        np.savez(stream, rest=np.array(rest), **arrays)
    beside.replace(file)


def load(file: Path) -> State | None:
    """Reads what `save` wrote, or returns None if there is nothing."""
    if not file.exists():
        return None
    with np.load(file) as stored:
        names = set(stored.files)
        groups = {
            kind: [stored[f"{kind}_{i}"] for i in range(len(names)) if f"{kind}_{i}" in names]
            for kind in ("variable", "best")
        }
        rest: dict[str, Any] = json.loads(str(stored["rest"]))
    rest["learning_rates"] = [(step, rate) for step, rate in rest["learning_rates"]]
    return State(groups["variable"], groups["best"], **rest)


def variables(model: keras.Model) -> list[keras.Variable]:
    """Returns all that training changes, in a fixed order.

    Args:
        model: A compiled model. A GAN has several optimizers: all its attributes count.
    """
    optimizers = [
        entry for entry in vars(model).values() if isinstance(entry, keras.optimizers.Optimizer)
    ]
    unique = {id(entry): entry for entry in optimizers}
    return [*model.variables, *(v for entry in unique.values() for v in entry.variables)]


def values(owned: Sequence[keras.Variable]) -> list[Array]:
    """Returns copies of the variables' values."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in owned]


def assign(owned: Sequence[keras.Variable], arrays: Sequence[Array]) -> None:
    """Gives the variables their values back.

    Args:
        owned: As many as there are arrays, in the same order.
        arrays: What `values` returned.
    """
    for variable, array in zip(owned, arrays, strict=True):
        variable.assign(array)
