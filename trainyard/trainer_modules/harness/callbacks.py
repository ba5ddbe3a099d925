"""What happens while training: progress, NaN, early stopping, logs and checkpoints."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from trainyard import progress
from trainyard.errors import RecipeError, TrainingError, nearest
from trainyard.recipe_schema import EarlyStopping
from trainyard.trainer_modules.harness import averages, checkpoint, metrics, phases, schedules
from trainyard.trainer_modules.harness.spec import ModelSpec

SECONDS_BETWEEN_REPORTS = 0.5

MOST_RATES = 500
"""Steps whose learning rate is kept: more than a chart has pixels to show."""


class StopOnNaN(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Ends training at the first loss that is no number, and says what to try."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Remembers the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Looks at the loss."""
        self._check(logs, "loss", f"epoch {self.epoch + 1}, step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Looks at the validation loss."""
        self._check(logs, "val_loss", f"epoch {epoch + 1}, validation")

    def _check(self, logs: Mapping[str, Any] | None, name: str, where: str) -> None:
        loss = float((logs or {}).get(name, 0.0))
        if not math.isfinite(loss):
            raise TrainingError(
                "training diverged: the loss is no longer a number",
                where=where,
                expected="a finite loss",
                received=f"{name} = {loss}",
                hint="lower trainer.optimizer.learning_rate, set trainer.clip_norm (1.0 is usual), "
                "or look for columns with extreme values and `scaling: none`",
            )


class LearningRate(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Puts the learning rate among what an epoch measured, for all callbacks after it.

    It also notes the rate of some steps: warm-up and decay go on within epochs.

    Args:
        spec: For the number of steps.
        noted: Step and rate, counted from 0 over all phases; at most `MOST_RATES` in all.
    """

    def __init__(self, spec: ModelSpec, noted: list[checkpoint.Rate]) -> None:
        super().__init__()
        self.spec = spec
        self.noted = noted
        self.every = math.ceil(spec.steps / MOST_RATES)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Asks the optimizer for the rate now, and in the steps of the epoch."""
        first = epoch * self.spec.steps_per_epoch
        stop = min(first + self.spec.steps_per_epoch, self.spec.steps)
        due = range(-(-first // self.every) * self.every, stop, self.every)
        ago = [*(stop - step for step in due), 0]
        *rates, now = schedules.rates(self.model.optimizer, ago)
        self.noted += zip(due, rates, strict=True)
        if logs is not None:
            logs["learning_rate"] = now


class StopAtStep(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Ends training after the recipe's number of steps, in the middle of an epoch.

    The batches end there too; this keeps Keras from asking for more.

    Args:
        spec: For the number of steps.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Counts the steps of the epochs before."""
        self.before = epoch * self.spec.steps_per_epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Counts this step."""
        if self.before + batch + 1 >= self.spec.steps:
            self.model.stop_training = True


class Progress(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Says how far training is, within epochs too.

    Args:
        spec: For the number of epochs and steps.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.last = 0.0
        self.shown = ""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Remembers the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Reports the running loss, at most twice a second."""
        if time.monotonic() - self.last >= SECONDS_BETWEEN_REPORTS:
            done = self.epoch * self.spec.steps_per_epoch + batch + 1
            self._report(self.epoch, {"loss": float((logs or {})["loss"])}, done, self.shown)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Reports the epoch's loss and validation metrics."""
        measured = {k: v for k, v in (logs or {}).items() if k == "loss" or k.startswith("val_")}
        self.shown = words({k: v for k, v in measured.items() if k != "loss"})
        self._report(epoch, measured, (epoch + 1) * self.spec.steps_per_epoch)

    def _report(self, epoch: int, measured: Mapping[str, float], done: int, more: str = "") -> None:
        self.last = time.monotonic()
        text = f"epoch {epoch + 1}/{self.spec.epochs}  {words(measured)}  {more}"
        progress.report(text.strip(), min(1.0, done / self.spec.steps))


def words(measured: Mapping[str, float]) -> str:
    """Writes metrics on one line, such as `loss 0.412  val_auc 0.88`."""
    return "  ".join(f"{name} {value:.4g}" for name, value in measured.items())


class EarlyStop(keras.callbacks.EarlyStopping):  # type: ignore[misc]  # Keras is not typed
    """Stops when the monitored value no longer improves, and knows the best epoch.

    It keeps no weights: the `Checkpoint` does, where a kill does not lose them. The best
    epoch may lie in any phase of the training; only the last phase is stopped, and its
    patience counts from its own first epoch.

    Args:
        recipe: The recipe's early stopping.
        patient_until: The last phase's first epoch.
    """

    def __init__(self, recipe: EarlyStopping, patient_until: int = 0) -> None:
        super().__init__(**recipe.model_dump() | {"mode": metrics.direction(recipe)})
        self.patient_until = patient_until

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Counts epochs without gain."""
        if epoch < self.patient_until:
            self.wait = -1  # this epoch makes it 0 at most
        super().on_epoch_end(epoch, logs)

    def get_monitor_value(self, logs: Mapping[str, float] | None) -> float:
        """Returns the monitored value.

        Raises:
            RecipeError: The model does not measure it.
        """
        measured = logs or {}
        if self.monitor not in measured:
            raise RecipeError(
                f"early stopping cannot monitor {self.monitor!r}",
                where="trainer.early_stopping.monitor",
                expected=", ".join(sorted(measured)),
                received=repr(self.monitor),
                hint=nearest(self.monitor, measured),
            )
        return float(measured[self.monitor])


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Saves the state after every epoch, and restores it before the first.

    Other callbacks have a state too: they are shown the recorded epochs again.
    It must stand last, so that it sees what the others decided.

    Args:
        file: Where the state lies.
        writes: Whether this process saves it; several may train one model.
    """

    def __init__(self, file: Path, *, writes: bool = True) -> None:
        super().__init__()
        self.file = file
        self.writes = writes
        self.early_stop: EarlyStop | None = None
        self.replayed: Sequence[tuple[keras.callbacks.Callback, int]] = ()
        self.phase_start = 0
        self.state = checkpoint.load(file) or checkpoint.State([], [])
        self.resumed_from = len(self.state.history)
        self.learning_rates = list(self.state.learning_rates)

    def enter(
        self,
        phase_start: int,
        early_stop: EarlyStop | None,
        replayed: Sequence[tuple[keras.callbacks.Callback, int]],
    ) -> None:
        """Begins a phase of the training.

        Args:
            phase_start: Its first epoch, counted from 0 over all phases.
            early_stop: Knows the best epoch; None: the last one is the best.
            replayed: The callbacks to show recorded epochs to, and from which on.
        """
        self.phase_start, self.early_stop, self.replayed = phase_start, early_stop, replayed

    @property
    def best_epoch(self) -> int:
        """The best epoch so far, counted from 0."""
        last = len(self.state.history) - 1
        return self.early_stop.best_epoch if self.early_stop else last

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Brings everything to where it was."""
        for epoch, row in enumerate(self.state.history):
            for callback, first in self.replayed:
                if epoch >= first:
                    callback.on_epoch_end(epoch, dict(row))
        self.model.stop_training = False
        if self.state.variables:
            # After the replay, which may have lowered the learning rate once more.
            owned = self._restored()
            checkpoint.assign(owned, self.state.variables[: len(owned)])

    def _restored(self) -> list[keras.Variable]:
        """What the state is of: a phase that has not begun has an optimizer of its own."""
        begun = len(self.state.history) > self.phase_start
        return checkpoint.variables(self.model) if begun else self.model.variables

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Saves the state."""
        row = {name: float(value) for name, value in (logs or {}).items()}
        is_best = self.early_stop is None or self.early_stop.best_epoch == epoch
        best = checkpoint.values(averages.to_keep(self.model)) if is_best else self.state.best
        self.state = checkpoint.State(
            variables=checkpoint.values(checkpoint.variables(self.model)),
            best=best,
            history=[*self.state.history, row],
            finished=bool(self.model.stop_training),
            learning_rates=list(self.learning_rates),
        )
        if self.writes:
            checkpoint.save(self.file, self.state)

    def restore_best(self) -> None:
        """Gives the model the weights of the best epoch, averaged if the recipe says so."""
        checkpoint.assign(self.model.variables, self.state.best)


def build(
    spec: ModelSpec,
    plan: Sequence[phases.Stretch],
    stretch: phases.Stretch,
    saver: Checkpoint,
    model_run: Path,
) -> list[keras.callbacks.Callback]:
    """Makes the harness's callbacks for one phase of the training.

    Args:
        spec: What is trained, and how.
        plan: All phases.
        stretch: This one.
        saver: The one checkpoint of all phases.
        model_run: The folder for logs.

    Returns:
        All callbacks, the checkpoint among them as the last.
    """
    stopping, first = spec.training.early_stopping, stretch.epochs.start
    early_stop = EarlyStop(stopping, plan[-1].epochs.start) if stopping else None
    of_all = [*([early_stop] if early_stop else []), *(_logs(model_run) if saver.writes else [])]
    of_phase = schedules.callbacks(phases.scaled(spec, stretch).training)
    saver.enter(first, early_stop, [(c, 0) for c in of_all] + [(c, first) for c in of_phase])
    validating = [averages.ValidateAverages()] if spec.training.ema else []
    rate = LearningRate(spec, saver.learning_rates)
    before = [rate, StopOnNaN(), StopAtStep(spec), Progress(spec)]
    return [*validating, *before, *of_all, *of_phase, saver]


def _logs(model_run: Path) -> list[keras.callbacks.Callback]:
    return [
        keras.callbacks.TensorBoard(str(model_run / "tensorboard"), write_graph=False),
        keras.callbacks.CSVLogger(str(model_run / "training_log.csv")),
    ]


def write_history(file: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Writes one list a metric, by name, as JSON.

    Args:
        file: Where to.
        history: What each epoch logged.
    """
    names = dict.fromkeys(name for row in history for name in row)
    columns = {name: [row.get(name) for row in history] for name in names}
    file.write_text(json.dumps(columns, indent=1), encoding="utf-8")


def write_learning_rates(file: Path, noted: Sequence[checkpoint.Rate]) -> None:
    """Writes the learning rate of some steps, as JSON: `step` and `learning_rate`, a list each.

    Args:
        file: Where to.
        noted: What `LearningRate` noted.
    """
    steps, rates = zip(*noted, strict=True)
    file.write_text(json.dumps({"step": steps, "learning_rate": rates}), encoding="utf-8")
