"""What all trainer modules share: the one `preprocessing_fn`, the one `run_fn`, the export."""

from __future__ import annotations

from collections.abc import Mapping

from trainyard.errors import RecipeError
from trainyard.recipe_schema import ONLY, Feature, Head, Trainer


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
    if wanted == "pair":
        _check_pair(trainer, features)
        return
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


def _check_pair(trainer: Trainer, features: Mapping[str, Feature]) -> None:
    kinds = [feature.kind for feature in features.values() if feature.kind in ("image", "text")]
    if kinds not in (["image"] * 2, ["text"] * 2):
        raise RecipeError(
            f"the trainer module {trainer.module!r} compares two images, or two texts",
            where="features",
            expected="two features with `kind: image`, or two with `kind: text`",
            received=", ".join(kinds) or "neither images nor texts",
        )


def check(trainer: Trainer, heads: Mapping[str, Head]) -> None:
    """Checks a recipe's trainer section and heads, without data and without training.

    It loads the trainer module, and with it Keras: a few seconds.

    Args:
        trainer: The recipe's trainer section.
        heads: What is predicted, by name.

    Raises:
        RecipeError: Something is unknown, has a wrong type, or does not fit the task.
    """
    from trainyard.trainer_modules import registry
    from trainyard.trainer_modules.harness import heads as built
    from trainyard.trainer_modules.harness import optimizers

    registry.params(registry.find(trainer.module), trainer.params)
    for name, head in heads.items():
        _check_task(trainer, head, "task" if name == ONLY else f"heads.{name}.task")
        built.loss_class(head.loss, head.task, f"{_section(name)}.loss")
        _check_class_weights(head, _section(name))
    if ONLY not in heads:
        _check_of_heads(trainer)
    optimizers.build(trainer, steps=100)
    if trainer.early_stopping:
        tasks = {name: head.task for name, head in heads.items()}
        built.check_monitor(trainer.early_stopping.monitor, tasks)


def _check_task(trainer: Trainer, head: Head, where: str) -> None:
    from trainyard.trainer_modules import registry

    if head.task in registry.tasks(registry.find(trainer.module)):
        return
    fitting = [n for n in registry.names() if head.task in registry.tasks(registry.find(n))]
    raise RecipeError(
        f"the trainer module {trainer.module!r} is not for the task {head.task!r}",
        where=where,
        expected=" or ".join(registry.tasks(registry.find(trainer.module))),
        received=head.task,
        hint=f"another `trainer.module`: {', '.join(fitting)}",
    )


def _section(head: str) -> str:
    """The recipe's key for how a head is learned."""
    return "trainer" if head == ONLY else f"heads.{head}"


def _check_class_weights(head: Head, section: str) -> None:
    if head.class_weights and head.task in ("regression", "text"):
        raise RecipeError(
            f"the task {head.task!r} has no classes to weigh",
            where=f"{section}.class_weights",
            hint="leave `class_weights` out",
        )


def _check_of_heads(trainer: Trainer) -> None:
    for key in ("loss", "class_weights"):
        if getattr(trainer, key) is not None:
            raise RecipeError(
                f"the recipe has several heads, each with its own {key.replace('_', ' ')}",
                where=f"trainer.{key}",
                expected=f"heads: {{NAME: {{{key}: ...}}}}",
            )
