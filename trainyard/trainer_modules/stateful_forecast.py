"""LSTM over one long series, whose state goes on from batch to batch while it is trained.

A batch is a window of each of as many stretches of the series as `batch_size` says; the next
batch has the windows that follow. The state begins anew where a stretch or the series does, so
that what is learnt reaches farther back than a window. Predicting starts with no state and
reads the `past` of each row: an answer depends on nothing that was asked before.

Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997
(https://doi.org/10.1162/neco.1997.9.8.1735); training in pieces with the state carried on:
Williams and Peng, 1990 (https://doi.org/10.1162/neco.1990.2.4.490).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import keras
import tensorflow as tf
from pydantic import Field

from trainyard.errors import RecipeError
from trainyard.trainer_modules.harness import export, heads, inputs, preprocessing, series_inputs
from trainyard.trainer_modules.harness import metrics as known_metrics
from trainyard.trainer_modules.harness.spec import ModelSpec
from trainyard.trainer_modules.layers import carried

Features = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]
Units = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Params:
    """Hyperparameters.

    Attributes:
        units: Of each LSTM, one on top of the other.
        stateful: Whether a batch goes on from the state of the one before; else rows are
            shuffled, and each is learnt from its `past` alone.
        dropout: Share of each LSTM's outputs that training drops.
        hidden: Units of each dense layer between the last LSTM and the prediction.
    """

    units: Annotated[tuple[Units, ...], Field(min_length=1)] = (32,)
    stateful: bool = True
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    hidden: tuple[Units, ...] = ()


INPUTS: Literal["series"] = "series"
TINY = Params(units=(8,))

MOST_STEPS = 10_000
"""Of a forecast: a server must stay responsive."""

preprocess = preprocessing.preprocess
metrics = known_metrics.standard


def build_model(params: Params, spec: ModelSpec) -> keras.Model:
    """Builds the compiled model.

    Args:
        params: Hyperparameters.
        spec: Inputs, task and training.

    Raises:
        RecipeError: The inputs are not one series, or several devices are to carry a state.
    """
    if params.stateful:
        _check_devices(spec.training.distribution.name)
    model_inputs = spec.keras_inputs()
    sequence = series_inputs.series(model_inputs, spec)  # (B, past, 1)
    rows = spec.training.batch_size if params.stateful else None
    for number, units in enumerate(params.units, start=1):
        whole = number < len(params.units)  # the last one gives (B, units), the others all steps
        sequence = carried.LSTM(units, rows, whole, name=f"lstm_{number}")(sequence)
        if params.dropout:
            sequence = keras.layers.Dropout(params.dropout, name=f"dropout_{number}")(sequence)
    for number, units in enumerate(params.hidden, start=1):
        sequence = keras.layers.Dense(units, "relu", name=f"hidden_{number}")(sequence)
    return heads.compiled(model_inputs, sequence, spec, carried.Model)


def _check_devices(distribution: str) -> None:
    if distribution != "none":
        raise RecipeError(
            "a state that is carried on cannot be shared among devices",
            where="trainer.distribution",
            expected="none, or `trainer.params.stateful: false`",
            received=distribution,
        )


def make_dataset(
    params: Params, spec: ModelSpec, examples: inputs.Examples, epochs: range | None
) -> tf.data.Dataset:
    """Makes batches whose rows go on where those of the batch before ended.

    Args:
        params: Whether they do.
        spec: For batch size and seed.
        examples: A split, its rows in the order of time.
        epochs: Which epochs to make; None: one pass, to validate on.

    Raises:
        RecipeError: There are fewer rows than a batch has, or too many for memory.
    """
    if epochs is None or not params.stateful:
        return inputs.make_dataset(params, spec, examples, epochs)
    return carried.batches(spec, examples, series_inputs.name(spec), epochs)


def signatures(model: keras.Model, params: Params, spec: ModelSpec) -> dict[str, export.Signature]:
    """Adds `forecast`, for a label that is the value of the series itself.

    It takes the last values, `past` `[B, length]`, and how many `steps` to forecast, a scalar,
    1 to `MOST_STEPS`, and answers `forecast` `[B, steps]`. Each step reads the ones before.
    """
    del params
    entry = spec.inputs[series_inputs.name(spec)]
    if [head.task for head in spec.heads.values()] != ["regression"]:
        return {}

    def forecast(features: Features, past: tf.Tensor, steps: tf.Tensor) -> dict[str, tf.Tensor]:
        allowed = (steps >= 1) & (steps <= MOST_STEPS)
        check = tf.debugging.Assert(
            allowed, [f"steps: expected 1 to {MOST_STEPS}, received", steps]
        )

        def step(number: tf.Tensor, window: tf.Tensor, written: tf.TensorArray) -> tuple[Any, ...]:
            value = tf.cast(model(features({entry.column: window}), training=False), window.dtype)
            window = tf.concat([window[:, 1:], value], axis=1)
            return number + 1, window, written.write(number, value[:, 0])

        with tf.control_dependencies([check] if check is not None else []):
            values = tf.TensorArray(tf.float32, steps, element_shape=[None])
        start = (tf.constant(0), past, values)
        written = tf.while_loop(lambda number, *_: number < steps, step, start)[2]
        return {"forecast": tf.transpose(written.stack())}

    past = tf.TensorSpec([None, *entry.shape], tf.float32, name="past")
    steps = tf.TensorSpec([], tf.int32, name="steps")
    return {"forecast": export.Signature(forecast, (past, steps), transforms=True)}
