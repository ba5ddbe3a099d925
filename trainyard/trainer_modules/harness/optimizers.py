"""The optimizer that the recipe names."""

from __future__ import annotations

import inspect

import keras

from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules.harness import options, schedules
from trainyard.trainer_modules.harness.construct import choose, construct, options_of


def known() -> dict[str, type[keras.optimizers.Optimizer]]:
    """Returns Keras's optimizers, by name in lower case."""
    classes = inspect.getmembers(keras.optimizers, inspect.isclass)
    return {
        name.lower(): cls
        for name, cls in classes
        # One that needs more than a learning rate wraps another optimizer.
        if issubclass(cls, keras.optimizers.Optimizer)
        and inspect.Parameter.empty not in options_of(cls).values()
        and cls is not keras.optimizers.Optimizer
    }


def build(trainer: Trainer, steps: int) -> keras.optimizers.Optimizer:
    """Builds the recipe's optimizer with its schedule and what `options` says.

    The schedule runs over steps: one that only accumulates moves it too.

    Args:
        trainer: The recipe's trainer section.
        steps: Training steps in all.

    Raises:
        RecipeError: The optimizer or an option is unknown, or has a wrong value.
    """
    cls = choose("optimizer", trainer.optimizer.name, known())
    return construct(
        cls,
        trainer.optimizer.options,
        "trainer.optimizer",
        learning_rate=schedules.learning_rate(trainer, steps),
        **options.optimizer_options(trainer),
    )
