"""The tables from the recipe's trainer section to what Keras's optimizers and `compile` take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules.harness.spec import ModelSpec

_OPTIMIZER: dict[str, Callable[[Trainer], Any]] = {
    "global_clipnorm": lambda trainer: trainer.clip_norm,
    # Keras takes 2 or more, or None.
    "gradient_accumulation_steps": lambda t: t.accumulate if t.accumulate > 1 else None,
    "use_ema": lambda trainer: trainer.ema is not None,
    "ema_momentum": lambda trainer: trainer.ema.momentum if trainer.ema else 0.99,
    "ema_overwrite_frequency": lambda trainer: trainer.ema and trainer.ema.overwrite_every,
}

_COMPILE: dict[str, Callable[[ModelSpec], Any]] = {
    "jit_compile": lambda spec: spec.training.jit_compile,
    "steps_per_execution": lambda spec: steps_per_execution(spec),
}


def optimizer_options(trainer: Trainer) -> dict[str, Any]:
    """Returns keyword arguments that every Keras optimizer takes.

    Args:
        trainer: The recipe's trainer section.
    """
    return {name: value(trainer) for name, value in _OPTIMIZER.items()}


def compile_options(model: keras.Model, spec: ModelSpec) -> dict[str, Any]:
    """Returns keyword arguments of `Model.compile`, beside optimizer, loss and metrics.

    Args:
        model: What is to be compiled.
        spec: What the model must fit, and how it will be trained.

    Raises:
        RecipeError: XLA is asked for, and a layer does not support it.
    """
    if spec.training.jit_compile is True:
        _check_jit(model)
    return {name: value(spec) for name, value in _COMPILE.items()}


def steps_per_execution(spec: ModelSpec) -> int:
    """Returns how many steps a call of TensorFlow makes.

    Keras runs the last call of an epoch in full length, into the next epoch's batches;
    a divisor of the epoch's steps ends where the epoch does.

    Args:
        spec: For the steps of an epoch, and how many the recipe wants at most.
    """
    wanted = min(spec.training.steps_per_execution, spec.steps_per_epoch)
    return next(n for n in range(wanted, 0, -1) if spec.steps_per_epoch % n == 0)


def _check_jit(model: keras.Model) -> None:
    without = [layer for layer in model._flatten_layers() if not layer.supports_jit]
    if without:
        raise RecipeError(
            "XLA cannot compile this model",
            where="trainer.jit_compile",
            expected="layers that support it",
            received=", ".join(f"{layer.name} ({type(layer).__name__})" for layer in without[:5]),
            hint="use `jit_compile: auto`, which leaves XLA out where it does not work",
        )
