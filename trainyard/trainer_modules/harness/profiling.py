"""How long a batch takes to make, to train on, and both together."""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf

from trainyard import progress
from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import distribution, modes, spec, training

WARM_UP = 3
"""Calls that trace, compile and fill buffers."""

FEWEST, MOST = 10, 2000
"""Batches that are measured."""

TRACED = 5
"""Calls in the TensorBoard trace, after those that are measured."""


@dataclass(frozen=True)
class Profile:
    """What was measured, in seconds a batch.

    Attributes:
        rows: In a batch.
        input: To make a batch, with nothing else to do.
        compute: A step on one batch that is there already.
        training: A step of the training as it is.
        first_batch: From the first file to the first batch: reading, or filling the shuffle.
        held: Whether the split's tensors are held in memory.
        devices: What TensorFlow computes on.
        cores: Processors that input and, without a GPU, steps share.
        step_jit: Whether XLA compiled the step.
        trace: The folder for TensorBoard.
    """

    rows: int
    input: float
    compute: float
    training: float
    first_batch: float
    held: bool
    devices: tuple[str, ...]
    cores: int
    step_jit: bool
    trace: Path


def measure(fn_args: Any, seconds: float) -> Profile:
    """Measures a training that writes no model.

    Args:
        fn_args: As `training.run_fn` takes it; its folders are only for logs.
        seconds: About how long each of the three measurements takes.
    """
    arranged = training.Training.of(fn_args)
    settings = arranged.config.trainer
    strategy = distribution.strategy(settings.distribution)
    with modes.process_wide(settings), strategy.scope():
        return _measured(arranged, seconds)


def _measured(arranged: training.Training, seconds: float) -> Profile:
    progress.report("reading examples")
    started = time.monotonic()
    config = arranged.config
    model_spec = spec.build(config, arranged.transform_output, arranged.train, arranged.held_out)
    module = registry.find(config.trainer.module)
    params = registry.params(module, config.trainer.params)
    batches = _batches(arranged, module, params, model_spec)
    batch = next(iter(batches))
    first_batch = time.monotonic() - started
    made = _input_seconds(batches, seconds)
    model = module.build_model(params, model_spec)
    computed = _compute_seconds(model, batch, seconds)
    trace = arranged.model_run / "trace"
    trained = _training_seconds(
        arranged, module, params, model, model_spec, _count(max(made, computed), seconds), trace
    )
    return Profile(
        rows=model_spec.training.batch_size,
        input=made,
        compute=computed,
        training=trained,
        first_batch=first_batch,
        held=arranged.train.held is not None,
        devices=tuple(d.device_type for d in tf.config.list_logical_devices()),
        cores=len(os.sched_getaffinity(0)),
        step_jit=bool(model.jit_compile),
        trace=trace,
    )


def _batches(
    arranged: training.Training, module: Any, params: Any, model_spec: spec.ModelSpec
) -> tf.data.Dataset:
    """Training batches without end, in effect: enough epochs for the fastest input."""
    make = training.dataset_maker(module, params, model_spec)
    epochs = range(2 + MOST // model_spec.steps_per_epoch)
    return make(params, model_spec, arranged.train, epochs)


def _input_seconds(batches: tf.data.Dataset, seconds: float) -> float:
    progress.report("making batches")
    took, began = [], time.perf_counter()
    for _ in zip(range(WARM_UP + MOST), batches, strict=False):
        now = time.perf_counter()
        took.append(now - began)
        began = now
        if len(took) >= WARM_UP + FEWEST and sum(took[WARM_UP:]) > seconds:
            break
    # The mean: a pipeline that works ahead makes some batches wait, and others not.
    return statistics.fmean(took[WARM_UP:] or took)


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Times steps within epochs, then has some more traced."""

    def __init__(self, batches: int, trace: Path | None = None) -> None:
        super().__init__()
        self.batches = batches
        self.trace = trace
        self.calls = 0
        self.done = 0
        self.timed_seconds = 0.0
        self.timed_batches = 0
        self.tracing = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.last = time.perf_counter()  # what lies between epochs is no step
        self.done = 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        float((logs or {})["loss"])  # waits for the device
        now = time.perf_counter()
        steps, self.done = batch + 1 - self.done, batch + 1
        self.calls += 1
        if self.tracing:
            self._traced()
        elif self.timed_batches >= self.batches:
            self._begin_trace()
        elif self.calls > WARM_UP:
            self.timed_seconds += now - self.last
            self.timed_batches += steps
        self.last = now

    def _begin_trace(self) -> None:
        if self.trace is None:
            self.model.stop_training = True
            return
        tf.profiler.experimental.start(str(self.trace))
        self.tracing = 1

    def _traced(self) -> None:
        self.tracing += 1
        if self.tracing > TRACED:
            self.end_trace()
            self.model.stop_training = True

    def end_trace(self) -> None:
        if self.tracing:
            tf.profiler.experimental.stop()
            self.tracing = 0
            self.trace = None

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        self.end_trace()

    @property
    def seconds(self) -> float:
        return self.timed_seconds / max(1, self.timed_batches)


def _count(estimate: float, seconds: float) -> int:
    return max(FEWEST, min(MOST, int(seconds / max(estimate, 1e-9))))


def _compute_seconds(model: keras.Model, batch: Any, seconds: float) -> float:
    progress.report("training on one batch")
    same = tf.data.Dataset.from_tensors(batch).repeat()
    distribution.prepare(model, same)
    # One epoch of as many calls as needed: the first count is a guess that the second mends.
    clock = _Clock(FEWEST)
    for _ in range(2):
        model.fit(
            distribution.shared(same, training=True),
            steps_per_epoch=(WARM_UP + 2 + clock.batches) * model.steps_per_execution,
            callbacks=[clock],
            verbose=0,
        )
        measured, clock = clock.seconds, _Clock(_count(clock.seconds, seconds))
    return measured


def _training_seconds(
    arranged: training.Training,
    module: Any,
    params: Any,
    model: keras.Model,
    model_spec: spec.ModelSpec,
    batches: int,
    trace: Path,
) -> float:
    progress.report("training")
    clock = _Clock(batches, trace)
    steps = batches + (WARM_UP + TRACED + 3) * model.steps_per_execution
    changes = {"steps": steps, "epochs": None, "early_stopping": None}
    shortened = model_spec.training.model_copy(update=changes)
    offered = ("make_dataset", "augment")
    own = {name: getattr(module, name) for name in offered if hasattr(module, name)}
    hooks = SimpleNamespace(callbacks=lambda *_: [clock], **own)
    limited = dataclasses.replace(model_spec, training=shortened)
    training.fit(arranged, hooks, params, model, limited)
    return clock.seconds
