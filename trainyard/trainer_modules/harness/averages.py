"""Averages of the weights: where Keras keeps them, and validation with them.

The names that are private to Keras are of Keras 3.15.1; a test fails if they change.
"""

from __future__ import annotations

from typing import Any

import keras

from trainyard.trainer_modules.harness import checkpoint


def pairs(model: keras.Model) -> list[tuple[keras.Variable, keras.Variable]]:
    """Returns each trained variable with its average; nothing if none is kept.

    Args:
        model: Compiled, its optimizer built.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # loss scaling wraps
    if not getattr(optimizer, "use_ema", False):
        return []
    return list(
        zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
    )


def to_keep(model: keras.Model) -> list[keras.Variable]:
    """Returns what is validated and exported, in the order of `model.variables`.

    Args:
        model: Compiled, its optimizer built.
    """
    average_of = {id(variable): average for variable, average in pairs(model)}
    return [average_of.get(id(variable), variable) for variable in model.variables]


class ValidateAverages(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Puts the averages in the weights' place while validation runs.

    Keras's own `SwapEMAWeights` swaps by adding and subtracting, which rounds.
    """

    def on_test_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Puts the averages in place."""
        self.variables = [variable for variable, _ in pairs(self.model)]
        self.own = checkpoint.values(self.variables)
        averages = [average for _, average in pairs(self.model)]
        checkpoint.assign(self.variables, checkpoint.values(averages))

    def on_test_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Puts the weights back."""
        checkpoint.assign(self.variables, self.own)
