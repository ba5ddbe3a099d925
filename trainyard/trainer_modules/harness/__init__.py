"""What all trainer modules share: the one `preprocessing_fn`, the one `run_fn`, the export."""

from __future__ import annotations

from collections.abc import Mapping

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Feature, Task, Trainer


def check_inputs(trainer: Trainer, features: Mapping[str, Feature]) -> None:
    """Checks that a trainer module takes what a recipe's features are.

    Args:
        trainer: The recipe's trainer section.
        features: The recipe's.

    Raises:
        RecipeError: A feature is missing that the module is there for, or there are images, which
            only modules for images take.
    """
    from trainyard.trainer_modules import registry

    wanted = registry.find(trainer.module).INPUTS
    named = {feature.kind: name for name, feature in features.items()}
    fitting = [name for name in registry.names() if registry.find(name).INPUTS in named]
    if wanted != "table" and wanted not in named:
        raise RecipeError(
            f"the trainer module {trainer.module!r} is for a feature of the kind {wanted}, "
            "and there is none",
            where="trainer.module",
            expected=f"a feature with `kind: {wanted}`; or {', '.join(fitting) or 'mlp'}",
        )
    if wanted != "image" and "image" in named:
        raise RecipeError(
            f"the trainer module {trainer.module!r} takes no images",
            where=f"features.{named['image']}",
            expected=f"`ignored`; or `trainer.module`: {', '.join(fitting)}",
        )


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
