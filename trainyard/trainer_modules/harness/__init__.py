"""What all trainer modules share: the one `preprocessing_fn`, the one `run_fn`, the export."""

from __future__ import annotations

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Task, Trainer


def check(trainer: Trainer, task: Task) -> None:
    """Checks a recipe's trainer section, without data and without training.

    It loads the trainer module, and with it Keras: a few seconds.

    Args:
        trainer: The recipe's trainer section.
        task: The kind of prediction.

    Raises:
        RecipeError: Something is unknown, has a wrong type, or does not fit the task.
    """
    from trainyard.trainer_modules import registry
    from trainyard.trainer_modules.harness import heads, optimizers

    registry.params(registry.find(trainer.module), trainer.params)
    heads.loss_class(trainer.loss, task)
    optimizers.build(trainer, steps=100)
    if trainer.early_stopping:
        heads.check_monitor(trainer.early_stopping.monitor, task)
    if trainer.class_weights and task == "regression":
        raise RecipeError(
            "a regression has no classes to weigh",
            where="trainer.class_weights",
            hint="leave `class_weights` out",
        )
