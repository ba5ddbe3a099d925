"""Interrupted training goes on as if nothing had happened."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.trainer_modules.tables import Transformed
from trainyard.trainer_modules import mlp
from trainyard.trainer_modules.harness import callbacks, checkpoint, training

# All that has a state: dropout's and the shuffle's randomness, Adam's moments,
# normalization's averages, the plateau's and early stopping's counters.
SETTINGS = {
    "params": {"hidden": [8], "dropout": 0.3, "batch_normalization": True},
    "epochs": 6,
    "optimizer": {"name": "adam", "learning_rate": 0.02},
    "schedule": {"name": "plateau", "patience": 1, "decay": 0.5},
    "early_stopping": {"monitor": "val_auc", "patience": 4},
    "class_weights": "balanced",
}


class InterruptionError(Exception):
    """Stands for whatever ends a process."""


class Interrupt(keras.callbacks.Callback):
    """Ends training within an epoch, or after it but before its state is saved."""

    def __init__(self, epoch: int, batch: int | None) -> None:
        super().__init__()
        self.at = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            self.stop()

    def on_epoch_end(self, epoch, logs=None):
        if (epoch, None) == self.at:
            self.stop()

    def stop(self) -> None:
        raise InterruptionError


class Kill(Interrupt):
    """As above, without any goodbye."""

    def stop(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def outcome(run):
    """What must be the same with and without an interruption."""
    model = keras.saving.load_model(run / "model_run" / "model.keras", compile=False)
    history = json.loads((run / "model_run" / "history.json").read_text())
    noted = json.loads((run / "model_run" / "learning_rate.json").read_text())
    history |= {f"{name} noted": values for name, values in noted.items()}
    with (run / "model_run" / "training_log.csv").open() as stream:
        logged = [int(row["epoch"]) for row in csv.DictReader(stream)]
    facts = json.loads((run / "model_run" / "training.json").read_text())
    return model.get_weights(), history, logged, (facts["epochs"], facts["best_epoch"])


def assert_same(resumed, whole):
    for one, other in zip(resumed[0], whole[0], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert resumed[1].keys() == whole[1].keys()
    for name, values in whole[1].items():
        np.testing.assert_allclose(resumed[1][name], values, rtol=1e-5, err_msg=name)
    assert resumed[2:] == whole[2:]


@pytest.fixture(scope="module")
def whole(transformed, tmp_path_factory):
    """A training that nothing interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    training.run_fn(transformed("binary").fn_args(run, **SETTINGS))
    return outcome(run)


def test_the_plateau_was_reached(whole):
    """Otherwise the comparisons below would not look at the learning rate."""
    assert min(whole[1]["learning_rate"]) < 0.02


@pytest.mark.parametrize(("epoch", "batch"), [(0, 3), (2, None), (4, 5)])
def test_goes_on_after_an_exception(epoch, batch, whole, transformed, tmp_path, monkeypatch):
    args = transformed("binary").fn_args(tmp_path / "run", **SETTINGS)
    monkeypatch.setattr(
        mlp, "callbacks", lambda params, spec: [Interrupt(epoch, batch)], raising=False
    )
    with pytest.raises(InterruptionError):
        training.run_fn(args)
    monkeypatch.undo()
    again = transformed("binary").fn_args(tmp_path / "again", **SETTINGS)
    training.run_fn(again)
    facts = json.loads((tmp_path / "again" / "model_run" / "training.json").read_text())
    assert facts["resumed_from_epoch"] == epoch
    assert_same(outcome(tmp_path / "again"), whole)
    assert not list((tmp_path / "checkpoints").glob("*"))


def test_goes_on_after_kill_9(whole, transformed, tmp_path):
    made: Transformed = transformed("binary")
    program = f"""
from pathlib import Path
from tests.trainer_modules.harness.test_resume import Kill, SETTINGS
from tests.trainer_modules.tables import Transformed, recipe
from trainyard.trainer_modules import mlp
from trainyard.trainer_modules.harness import training
mlp.callbacks = lambda params, spec: [Kill(3, 4)]
made = Transformed(recipe("binary"), Path({str(made.folder)!r}), [], [])
training.run_fn(made.fn_args(Path({str(tmp_path / "run")!r}), **SETTINGS))
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    training.run_fn(made.fn_args(tmp_path / "run", **SETTINGS))
    facts = json.loads((tmp_path / "run" / "model_run" / "training.json").read_text())
    assert facts["resumed_from_epoch"] == 3
    assert_same(outcome(tmp_path / "run"), whole)


def test_a_training_that_had_ended_is_not_trained_further(
    whole, transformed, tmp_path, monkeypatch
):
    def disk_full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(training.export, "write", disk_full)
    with pytest.raises(OSError, match="no space"):
        training.run_fn(transformed("binary").fn_args(tmp_path / "run", **SETTINGS))
    monkeypatch.undo()
    training.run_fn(transformed("binary").fn_args(tmp_path / "run", **SETTINGS))
    assert_same(outcome(tmp_path / "run"), whole)


def test_a_training_that_stopped_early_stays_stopped(transformed, tmp_path, monkeypatch):
    stops = SETTINGS | {"epochs": 40, "early_stopping": {"monitor": "val_loss", "patience": 1}}
    training.run_fn(transformed("binary").fn_args(tmp_path / "whole", **stops))
    expected = outcome(tmp_path / "whole")
    assert expected[3][0] < 40
    monkeypatch.setattr(
        training, "_write_records", lambda *_: (_ for _ in ()).throw(InterruptionError)
    )
    with pytest.raises(InterruptionError):
        training.run_fn(transformed("binary").fn_args(tmp_path / "run", **stops))
    monkeypatch.undo()
    training.run_fn(transformed("binary").fn_args(tmp_path / "run", **stops))
    assert_same(outcome(tmp_path / "run"), expected)


def test_another_configuration_starts_anew(tmp_path):
    one = checkpoint.path(tmp_path, "{}", "code", "transform")
    assert one == checkpoint.path(tmp_path, "{}", "code", "transform")
    assert one != checkpoint.path(tmp_path, "{}", "code", "other transform")


def test_a_save_that_is_cut_off_leaves_the_state_before(tmp_path, monkeypatch):
    file = tmp_path / "state.npz"
    rates = [(0, 0.1), (7, 0.01)]
    before = checkpoint.State([np.arange(3.0)], [np.ones(2)], [{"loss": 1.0}], learning_rates=rates)
    checkpoint.save(file, before)

    def cut_off(stream, **arrays):
        stream.write(b"half")
        raise InterruptionError

    monkeypatch.setattr(checkpoint.np, "savez", cut_off)
    with pytest.raises(InterruptionError):
        checkpoint.save(file, checkpoint.State([], []))
    loaded = checkpoint.load(file)
    np.testing.assert_array_equal(loaded.variables[0], before.variables[0])
    np.testing.assert_array_equal(loaded.best[0], before.best[0])
    assert (loaded.history, loaded.finished) == ([{"loss": 1.0}], False)
    assert loaded.learning_rates == rates


def test_all_optimizers_of_a_model_are_saved():
    """A GAN has two."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    one = len(checkpoint.variables(model))
    model.second_optimizer = keras.optimizers.SGD(momentum=0.9)
    model.second_optimizer.build(model.trainable_variables)
    assert len(checkpoint.variables(model)) == one + len(model.second_optimizer.variables)


def test_the_best_is_the_last_epoch_without_early_stopping(transformed, tmp_path):
    settings = {"epochs": 2, "early_stopping": None}
    training.run_fn(transformed("binary").fn_args(tmp_path / "run", **settings))
    assert outcome(tmp_path / "run")[3] == (2, 2)


def test_history_is_one_list_a_metric(tmp_path):
    callbacks.write_history(tmp_path / "h.json", [{"loss": 2.0}, {"loss": 1.0, "new": 3.0}])
    assert json.loads((tmp_path / "h.json").read_text()) == {
        "loss": [2.0, 1.0],
        "new": [None, 3.0],
    }
