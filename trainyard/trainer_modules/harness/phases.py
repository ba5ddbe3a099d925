"""Training in phases: what may learn changes between epochs, and with it the learning rate."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from trainyard.errors import RecipeError
from trainyard.trainer_modules.harness import heads
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.wording import agreeing, counted


@dataclass(frozen=True)
class Phase:
    """A part of the training, as the hook `phases(model, params, spec)` names it.

    Attributes:
        name: What is shown, such as `feature extraction`.
        share_of_steps: Of the whole training; all phases together make 1.
        learning_rate_factor: Of the recipe's learning rate.
        prepare: Sets what is trainable in a model. It may be called in any state of the
            model, so it sets everything, and does not build on the phase before.
    """

    name: str
    share_of_steps: float
    learning_rate_factor: float
    prepare: Callable[[keras.Model], None]


@dataclass(frozen=True)
class Stretch:
    """The epochs of one phase.

    Attributes:
        phase: What is trained in them.
        epochs: Counted from 0 over the whole training.
        steps: Training steps; the training's last epoch may be cut short.
    """

    phase: Phase
    epochs: range
    steps: int


def whole(spec: ModelSpec) -> tuple[Stretch, ...]:
    """Returns the one stretch of a training without phases.

    Args:
        spec: For the number of epochs and steps.
    """
    return stretches([Phase("training", 1.0, 1.0, _as_it_is)], spec)


def _as_it_is(model: keras.Model) -> None:
    del model


def stretches(phases: Sequence[Phase], spec: ModelSpec) -> tuple[Stretch, ...]:
    """Gives each phase whole epochs, so that a checkpoint lies in one phase or between two.

    Args:
        phases: In their order.
        spec: For the number of epochs and steps.

    Returns:
        One stretch a phase, of at least one epoch; together all epochs, without gaps.

    Raises:
        RecipeError: There are fewer epochs than phases.
    """
    if spec.epochs < len(phases):
        raise RecipeError(
            f"{counted(spec.epochs, 'epoch')} {agreeing(spec.epochs, 'is', 'are')} "
            f"too few for {len(phases)} phases of training",
            where="trainer.steps" if spec.training.steps else "trainer.epochs",
            expected=f"at least {counted(len(phases), 'epoch')}: "
            + ", ".join(p.name for p in phases),
            received=f"{counted(spec.steps, 'step')}, {spec.steps_per_epoch} an epoch",
            hint="train longer, or have fewer phases by the module's parameters",
        )
    bounds = [0]
    for number, phase in enumerate(phases, start=1):
        wanted = bounds[-1] + round(phase.share_of_steps * spec.epochs)
        latest = spec.epochs - (len(phases) - number)
        bounds.append(min(max(wanted, bounds[-1] + 1), latest))
    bounds[-1] = spec.epochs
    ranges = [range(first, last) for first, last in itertools.pairwise(bounds)]
    return tuple(
        Stretch(phase, epochs, _steps(epochs, spec))
        for phase, epochs in zip(phases, ranges, strict=True)
    )


def _steps(epochs: range, spec: ModelSpec) -> int:
    return min(epochs.stop * spec.steps_per_epoch, spec.steps) - epochs.start * spec.steps_per_epoch


def begin(model: keras.Model, stretch: Stretch, spec: ModelSpec) -> None:
    """Prepares a model for a phase, and compiles it anew.

    The new optimizer knows the trainable variables only, so nothing else has gradients;
    its schedule, warm-up included, runs over the phase's own steps.

    Args:
        model: Its weights stay as they are.
        stretch: What is to be trained.
        spec: The whole training's.
    """
    stretch.phase.prepare(model)
    heads.compile_model(model, scaled(spec, stretch))


def scaled(spec: ModelSpec, stretch: Stretch) -> ModelSpec:
    """Returns what one phase is trained by: its own steps and learning rate.

    Args:
        spec: The whole training's.
        stretch: The phase's part.
    """
    optimizer = spec.training.optimizer
    rate = optimizer.learning_rate * stretch.phase.learning_rate_factor
    changes = {
        "optimizer": optimizer.model_copy(update={"learning_rate": rate}),
        "steps": stretch.steps,
        "epochs": None,
    }
    return dataclasses.replace(spec, training=spec.training.model_copy(update=changes))
