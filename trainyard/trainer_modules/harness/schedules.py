"""How the learning rate moves: shares of all steps, so that they fit any length."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from trainyard.errors import RecipeError
from trainyard.recipe_schema import EarlyStopping, Schedule, Trainer
from trainyard.trainer_modules.harness import keras_private, metrics

# Each takes the share of training that is over, 0 to 1, and the recipe's schedule.
_SHAPES: dict[str, Callable[[Any, Schedule], Any]] = {
    "constant": lambda done, _: ops.ones_like(done),
    "cosine": lambda done, _: 0.5 * (1 + ops.cos(math.pi * done)),
    "exponential": lambda done, schedule: schedule.decay ** (done / schedule.every),
    "step": lambda done, schedule: schedule.decay ** ops.floor(done / schedule.every),
}


@keras.saving.register_keras_serializable(package="trainyard")
class WarmUpThenDecay(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras is not typed
    """Rises linearly from 0, then falls as the recipe's schedule says.

    Args:
        peak: The learning rate after the warm-up.
        steps: Training steps in all.
        schedule: The fields of a recipe's schedule.
    """

    def __init__(self, peak: float, steps: int, schedule: dict[str, Any]) -> None:
        self.peak = peak
        self.steps = steps
        self.schedule = Schedule(**schedule)

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step, counted from 0."""
        step = ops.cast(step, "float32")
        warmup = round(self.schedule.warmup * self.steps)
        done = ops.clip((step - warmup) / max(1, self.steps - warmup), 0.0, 1.0)
        decayed = ops.maximum(
            _SHAPES[self.schedule.name](done, self.schedule), self.schedule.minimum
        )
        # The first step is not wasted on a learning rate of 0.
        risen = ops.minimum((step + 1) / (warmup + 1), 1.0)
        return self.peak * risen * decayed

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        schedule = self.schedule.model_dump()
        return {"peak": self.peak, "steps": self.steps, "schedule": schedule}


def learning_rate(trainer: Trainer, steps: int) -> float | WarmUpThenDecay:
    """Returns what the optimizer takes as its learning rate.

    Args:
        trainer: The recipe's trainer section.
        steps: Training steps in all.

    Raises:
        RecipeError: A warm-up with `plateau`, which sets the rate itself.
    """
    schedule, peak = trainer.schedule, trainer.optimizer.learning_rate
    if schedule.name != "plateau":
        return WarmUpThenDecay(peak, steps, schedule.model_dump())
    if schedule.warmup:
        raise RecipeError(
            "the schedule `plateau` has no warm-up",
            where="trainer.schedule.warmup",
            expected="0",
            received=str(schedule.warmup),
            hint="leave `warmup` out, or choose cosine, exponential or step",
        )
    return peak


def rates(optimizer: keras.optimizers.Optimizer, ago: Sequence[int]) -> list[float]:
    """Returns the learning rates of the steps that an optimizer has just made.

    Args:
        optimizer: A schedule other than `WarmUpThenDecay` counts as constant.
        ago: How many steps ago; 0 is the step to come.
    """
    schedule, step = keras_private.schedule(optimizer)
    if not isinstance(schedule, WarmUpThenDecay):
        return [float(optimizer.learning_rate)] * len(ago)
    return list(np.asarray(schedule(step - np.array(ago))).tolist())


def callbacks(trainer: Trainer) -> list[keras.callbacks.Callback]:
    """Returns what lowers the learning rate at a plateau, if the recipe wants it.

    Args:
        trainer: The recipe's trainer section.
    """
    schedule, stopping = trainer.schedule, trainer.early_stopping or EarlyStopping()
    if schedule.name != "plateau":
        return []
    return [
        keras.callbacks.ReduceLROnPlateau(
            monitor=stopping.monitor,
            mode=metrics.direction(stopping),
            factor=schedule.decay,
            patience=schedule.patience,
            min_lr=schedule.minimum * trainer.optimizer.learning_rate,
        )
    ]
