"""What is said and done while training."""

from __future__ import annotations

import json
import time

import keras
import numpy as np
import pytest

from tests.trainer_modules.harness.test_heads import model_of, spec
from trainyard import progress
from trainyard.errors import RecipeError, TrainingError
from trainyard.recipe_schema import EarlyStopping
from trainyard.trainer_modules import mlp
from trainyard.trainer_modules.harness import callbacks, metrics, training


def test_nan_ends_training_and_says_where_and_what_to_try():
    model, _ = model_of("binary")
    x = np.zeros((6, 2), np.float32)
    x[4] = np.nan
    with pytest.raises(TrainingError) as caught:
        model.fit(
            {"numeric": x},
            np.zeros((6, 1)),
            batch_size=1,
            shuffle=False,
            verbose=0,
            callbacks=[callbacks.StopOnNaN()],
        )
    assert caught.value.where == "epoch 1, step 5"
    for word in ("learning_rate", "clip_norm", "scaling"):
        assert word in caught.value.hint


def test_nan_in_validation_ends_training_too():
    watcher = callbacks.StopOnNaN()
    watcher.on_epoch_begin(2)
    watcher.on_epoch_end(2, {"loss": 1.0, "val_loss": 0.5})
    with pytest.raises(TrainingError, match="epoch 3, validation"):
        watcher.on_epoch_end(2, {"loss": 1.0, "val_loss": float("inf")})


def test_a_diverging_training_is_one_clear_error(transformed, tmp_path):
    settings = {"optimizer": {"name": "sgd", "learning_rate": 1e30}, "params": {"l2": 1.0}}
    with pytest.raises(TrainingError, match="diverged"):
        training.run_fn(transformed("regression").fn_args(tmp_path / "run", **settings))


def test_progress_is_said_within_epochs_and_after_them(monkeypatch):
    chosen = spec("binary", epochs=2, batch_size=1)  # ten rows
    reporter = callbacks.Progress(chosen)
    clock = iter(np.arange(100.0, 200.0, 0.3))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    said: list[tuple[str, float | None]] = []
    with progress.listening(lambda text, fraction: said.append((text, fraction))):
        for epoch in range(2):
            reporter.on_epoch_begin(epoch)
            for batch in range(10):
                reporter.on_train_batch_end(batch, {"loss": 0.5})
            reporter.on_epoch_end(epoch, {"loss": 0.41234, "auc": 0.9, "val_auc": 0.88})
    fractions = [fraction for _, fraction in said]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert 2 < len(said) < 22, "not every step"
    assert said[0] == ("epoch 1/2  loss 0.5", 0.05)
    assert said[-1][0] == "epoch 2/2  loss 0.4123  val_auc 0.88"
    within_second = next(text for text, fraction in said if 0.5 < fraction < 1.0)
    assert within_second == "epoch 2/2  loss 0.5  val_auc 0.88"


def test_steps_end_training_in_the_middle_of_an_epoch(transformed, tmp_path):
    settings = {"steps": 13, "epochs": None, "early_stopping": None}  # ten steps an epoch
    training.run_fn(transformed("binary").fn_args(tmp_path / "run", **settings))
    facts = json.loads((tmp_path / "run" / "model_run" / "training.json").read_text())
    assert (facts["steps"], facts["epochs"]) == (13, 2)


class Rates(keras.callbacks.Callback):
    """Notes the learning rate that each step is made with."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))


@pytest.mark.parametrize(
    ("most", "settings"),
    [
        (500, {"schedule": {"name": "cosine", "warmup": 0.3}}),
        (7, {"schedule": {"name": "cosine", "warmup": 0.3}}),
        (500, {"schedule": "exponential", "accumulate": 2}),
        (500, {"schedule": {"name": "step", "every": 0.2}, "precision": "mixed_float16"}),
        (
            500,
            {
                "schedule": {"name": "plateau", "patience": 1},
                "optimizer": {"name": "sgd", "learning_rate": 1e-9},  # nothing gets better
            },
        ),
    ],
)
def test_the_learning_rate_of_steps_is_noted(most, settings, transformed, tmp_path, monkeypatch):
    watcher = Rates()
    monkeypatch.setattr(callbacks, "MOST_RATES", most)
    monkeypatch.setattr(mlp, "callbacks", lambda params, spec: [watcher], raising=False)
    length = {"steps": 33, "epochs": None, "early_stopping": None}  # ten steps an epoch
    training.run_fn(transformed("binary").fn_args(tmp_path / "run", **length, **settings))
    noted = json.loads((tmp_path / "run/model_run/learning_rate.json").read_text())
    every = 1 if most > 33 else 5
    assert noted["step"] == list(range(0, 33, every))
    assert len(watcher.seen) == 33
    np.testing.assert_allclose(noted["learning_rate"], watcher.seen[::every], rtol=1e-6)
    assert len(set(watcher.seen)) > 1


@pytest.mark.parametrize(
    ("monitor", "mode", "expected"),
    [
        ("val_loss", "auto", "min"),
        ("val_auc", "auto", "max"),
        ("accuracy", "auto", "max"),
        ("val_mae", "auto", "min"),
        ("val_auc", "min", "min"),
    ],
)
def test_direction(monitor, mode, expected):
    assert metrics.direction(EarlyStopping(monitor=monitor, mode=mode)) == expected
    assert callbacks.EarlyStop(EarlyStopping(monitor=monitor, mode=mode)).mode == expected


def test_early_stopping_restores_the_best_epoch(transformed, tmp_path):
    """The weights are those that the best validation loss was measured with."""
    from trainyard.trainer_modules.harness import export

    run = tmp_path / "run"
    made = transformed("binary")
    args = made.fn_args(
        run,
        epochs=30,
        params={"hidden": [64], "dropout": 0.0},
        optimizer={"name": "adam", "learning_rate": 0.1},
        early_stopping={"monitor": "val_loss", "patience": 3},
    )
    training.run_fn(args)
    facts = json.loads((run / "model_run" / "training.json").read_text())
    history = json.loads((run / "model_run" / "history.json").read_text())["val_loss"]
    assert facts["best_epoch"] == int(np.argmin(history)) + 1
    assert facts["epochs"] == facts["best_epoch"] + 3, "patience"
    model = keras.saving.load_model(run / "model_run" / export.MODEL_FILE, compile=False)
    x = dict(training.Training.of(args).held_out.held)
    y = x.pop("label")
    predicted = np.asarray(model(x)).ravel()
    truth = y.numpy().ravel()
    loss = -np.mean(np.log(np.where(truth == 1, predicted, 1 - predicted)))
    assert loss == pytest.approx(min(history), rel=1e-3)


def test_a_monitor_that_the_model_does_not_measure():
    watcher = callbacks.EarlyStop(EarlyStopping(monitor="val_auk"))
    watcher.on_train_begin()
    with pytest.raises(RecipeError, match=r"(?s)val_auk.*did you mean 'val_auc'"):
        watcher.on_epoch_end(0, {"loss": 1.0, "val_auc": 0.5})
