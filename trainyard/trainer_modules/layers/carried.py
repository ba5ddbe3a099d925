"""State that goes on from batch to batch: the layer, the model and the batches for it."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainyard.errors import RecipeError
from trainyard.trainer_modules.harness.inputs import Examples, Tensors, trained_on
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.wording import counted

RESTART = "restart"
"""Beside the inputs of a batch: float32 `[B, 1]`, 1 where the state begins anew, else 0."""


@keras.saving.register_keras_serializable(package="trainyard")
class LSTM(keras.layers.Layer):  # type: ignore[misc]  # Keras is not typed
    """An LSTM that a `Model` can have go on from where the batch before ended.

    Keras's own `stateful` begins all rows anew or none, and keeps the state when it predicts.

    Args:
        units: Width of state and output.
        rows: In a batch that carries its state; None if none does.
        sequences: Whether it returns the output of each step, or the last.

    Input shape: `[B, T, width]`. Output shape: `[B, T, units]` or `[B, units]`.
    """

    def __init__(self, units: int, rows: int | None, sequences: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.rows, self.sequences = units, rows, sequences
        self.lstm = keras.layers.LSTM(units, return_sequences=sequences, return_state=True)
        self.state: list[Any] = []
        self.carries = False

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Makes the weights, and the state between batches."""
        self.lstm.build(shape)
        if self.rows:
            kind = {"shape": (self.rows, self.units), "initializer": "zeros", "trainable": False}
            self.state = [self.add_weight(name=name, **kind) for name in ("output", "cell")]

    def call(self, sequence: Any) -> Any:
        """Returns the outputs, and keeps the state if it is carried on."""
        before = list(self.state) if self.carries else None
        output, *after = self.lstm(sequence, initial_state=before)
        if self.carries:
            for kept, state in zip(self.state, after, strict=True):
                kept.assign(state)
        return output

    def begin(self, restart: Any) -> None:
        """Begins the state of some rows anew, `[B, 1]`."""
        for state in self.state:
            state.assign(state * (1 - restart))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"units": self.units, "rows": self.rows, "sequences": self.sequences}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="trainyard")
class Model(keras.Model):  # type: ignore[misc]  # Keras is not typed
    """A model whose state is carried on by training batches that say where it begins anew."""

    def train_step(self, data: Any) -> Any:
        """Trains on inputs and labels; `RESTART` among the inputs says that these go on."""
        inputs, *rest = data
        restart = inputs.get(RESTART)
        own = {name: tensor for name, tensor in inputs.items() if name != RESTART}
        layers = [layer for layer in self.layers if isinstance(layer, LSTM)]
        for layer in layers:
            layer.carries = restart is not None
            if layer.carries:
                layer.begin(restart)
        try:
            return super().train_step((own, *rest))
        finally:
            for layer in layers:
                layer.carries = False


def batches(spec: ModelSpec, examples: Examples, series: str, epochs: range) -> tf.data.Dataset:
    """Makes training batches, a window of each of `batch_size` stretches of the series.

    Each row is seen once an epoch: the windows of a pass follow one another without
    overlapping, and as many passes as a window has steps begin one step apart, in an order
    that seed and epoch decide. State begins anew with each pass. Stretches are equally long,
    so that each batch is full; if their length does not divide the rows, neighbours share one.

    Args:
        spec: For batch size and seed.
        examples: Rows in the order of time.
        series: The input that holds the values before, `[rows, steps]`.
        epochs: Which to make, one after the other.

    Returns:
        Batches of inputs, `RESTART` among them, and labels.

    Raises:
        RecipeError: There are fewer rows than a batch has, too many for memory, or several
            devices.
    """
    held = _held(examples, spec)
    past = held[series].numpy()
    rows, steps = past.shape
    size, seed = spec.training.batch_size, spec.training.seed
    length = math.ceil(rows / size)
    starts = tf.constant(np.linspace(0, rows - length, size).astype(np.int64))
    breaks = tf.constant(np.cumsum(_breaks(past)))

    def order(epoch: tf.Tensor) -> tf.data.Dataset:
        place = tf.range(length, dtype=tf.int64)
        turn = tf.random.experimental.stateless_shuffle(
            tf.range(steps, dtype=tf.int64), [seed, epoch]
        )
        by_pass = tf.argsort(tf.gather(turn, place % steps) * length + place)
        return tf.data.Dataset.from_tensor_slices(tf.gather(place, by_pass))

    def batch(place: tf.Tensor) -> Tensors:
        chosen = starts + place
        before = tf.maximum(chosen - steps, 0)
        anew = (place < steps) | (tf.gather(breaks, chosen) != tf.gather(breaks, before))
        rows = {name: tf.gather(tensor, chosen) for name, tensor in held.items()}
        return rows | {RESTART: tf.cast(anew, tf.float32)[:, tf.newaxis]}

    places = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(order)
    return trained_on(places.map(batch), spec)


def _held(examples: Examples, spec: ModelSpec) -> Tensors:
    size = spec.training.batch_size
    held, rows = examples.held, len(next(iter(examples.targets.values())))
    if rows < size:
        raise RecipeError(
            f"a batch of {size} stretches of the series needs as many rows",
            where="trainer.batch_size",
            expected=f"at most {rows}",
            received=str(size),
        )
    if held is None:
        raise RecipeError(
            "the series is too long to be held in memory, which carrying a state needs",
            where="trainer.params.stateful",
            received=counted(rows, "row"),
            hint="a shorter `data.series.past`, or `stateful: false`",
        )
    return held


def _breaks(past: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Says which rows do not follow the one before, `(rows,)`: their pasts do not overlap."""
    follows = (past[1:, :-1] == past[:-1, 1:]).all(axis=1)
    return np.concatenate([[False], ~follows])
