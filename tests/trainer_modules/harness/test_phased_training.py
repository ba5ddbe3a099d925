"""A module that trains in phases: from one to the next, interrupted, and stopped early."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from tests.trainer_modules.harness.test_resume import (
    Interrupt,
    InterruptionError,
    assert_same,
    outcome,
)
from trainyard.recipe_schema import EarlyStopping
from trainyard.trainer_modules import mlp
from trainyard.trainer_modules.harness import callbacks, training
from trainyard.trainer_modules.harness.phases import Phase

SETTINGS = {
    "params": {"hidden": [8], "dropout": 0.2, "batch_normalization": True},
    "epochs": 6,
    "optimizer": {"name": "adam", "learning_rate": 0.02},
    "early_stopping": {"monitor": "val_loss", "patience": 5},
}


def freeze(model: keras.Model) -> None:
    model.trainable = True
    for layer in model.layers:
        layer.trainable = layer.name == "predictions"


def free(model: keras.Model) -> None:
    for layer in model.layers:
        layer.trainable = True


def phases(model, params, spec):
    return [Phase("head", 0.5, 1.0, freeze), Phase("all", 0.5, 0.1, free)]


def hooks(monkeypatch, *watchers):
    monkeypatch.setattr(mlp, "phases", phases, raising=False)
    monkeypatch.setattr(mlp, "callbacks", lambda params, spec: list(watchers), raising=False)


class Weights(keras.callbacks.Callback):
    """Notes a layer's weights at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: list[np.ndarray] = []

    def on_epoch_end(self, epoch, logs=None):
        self.hidden.append(self.model.get_layer("hidden_1").kernel.numpy().copy())


def test_a_phase_trains_what_it_prepares_at_its_own_rate(transformed, tmp_path, monkeypatch):
    seen = Weights()
    hooks(monkeypatch, seen)
    settings = SETTINGS | {"schedule": "cosine"}
    training.run_fn(transformed("binary").fn_args(tmp_path / "run", **settings))
    np.testing.assert_array_equal(seen.hidden[0], seen.hidden[2])
    assert np.abs(seen.hidden[3] - seen.hidden[2]).max() > 1e-4
    _, history, logged, (epochs, _) = outcome(tmp_path / "run")
    rates = history["learning_rate"]
    assert rates[2] == pytest.approx(0, abs=1e-6), "a phase's schedule ends with it"
    assert 0.001 < rates[3] < 0.002, "and begins anew, at the phase's rate"
    assert logged == list(range(6))
    assert epochs == 6
    facts = json.loads((tmp_path / "run" / "model_run" / "training.json").read_text())
    assert facts["phases"] == [
        {"name": "head", "first_epoch": 1, "last_epoch": 3},
        {"name": "all", "first_epoch": 4, "last_epoch": 6},
    ]


@pytest.fixture(scope="module")
def whole(transformed, tmp_path_factory):
    """What comes of a training that nothing interrupts, by the learning rate's schedule."""

    @cache
    def of(schedule: str):
        run = tmp_path_factory.mktemp(schedule) / "run"
        with pytest.MonkeyPatch.context() as patch:
            hooks(patch)
            training.run_fn(transformed("binary").fn_args(run, **scheduled(schedule)))
        return outcome(run)

    return of


def scheduled(name: str) -> dict[str, Any]:
    return SETTINGS | {"schedule": {"name": name, "patience": 1, "decay": 0.5}}


@pytest.mark.parametrize(
    ("epoch", "batch", "schedule"),
    [
        (1, 3, "constant"),
        (2, None, "constant"),
        (3, 2, "constant"),
        (4, 5, "constant"),
        (4, 5, "plateau"),
    ],
)
def test_goes_on_in_the_phase_where_it_was(
    epoch, batch, schedule, whole, transformed, tmp_path, monkeypatch
):
    made, settings = transformed("binary"), scheduled(schedule)
    expected = whole(schedule)
    hooks(monkeypatch, Interrupt(epoch, batch))
    with pytest.raises(InterruptionError):
        training.run_fn(made.fn_args(tmp_path / "run", **settings))
    hooks(monkeypatch)
    training.run_fn(made.fn_args(tmp_path / "run", **settings))
    facts = json.loads((tmp_path / "run" / "model_run" / "training.json").read_text())
    assert facts["resumed_from_epoch"] == epoch
    assert_same(outcome(tmp_path / "run"), expected)


def test_only_the_last_phase_is_stopped_and_the_best_may_lie_before_it():
    watcher = callbacks.EarlyStop(EarlyStopping(patience=2), patient_until=4)
    watcher.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    watcher.model.stop_training = False
    watcher.on_train_begin()
    stopped = []
    for epoch, loss in enumerate([0.1, 0.9, 0.8, 0.7, 0.6, 0.5]):
        watcher.on_epoch_end(epoch, {"val_loss": loss})
        stopped.append(watcher.model.stop_training)
    assert stopped == [False] * 5 + [True]
    assert watcher.best_epoch == 0
