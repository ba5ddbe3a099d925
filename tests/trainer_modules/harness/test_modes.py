"""Precision, determinism, averages, accumulation and XLA, through whole trainings."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from tests.trainer_modules.harness.test_heads import model_of, spec
from tests.trainer_modules.harness.test_resume import Interrupt, InterruptionError
from tests.trainer_modules.tables import serialize
from trainyard.errors import RecipeError
from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules import mlp
from trainyard.trainer_modules.harness import (
    averages,
    export,
    heads,
    keras_private,
    modes,
    optimizers,
    options,
    training,
)

PRECISIONS = ["mixed_float16", "mixed_bfloat16"]


def trained(run):
    return keras.saving.load_model(run / "model_run" / export.MODEL_FILE, compile=False)


def facts(run):
    return json.loads((run / "model_run" / "training.json").read_text())


def history(run):
    return json.loads((run / "model_run" / "history.json").read_text())


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_layers_compute_in_16_bits_and_predictions_are_float32(precision, task, tmp_path):
    settings = {"precision": precision}
    with modes.process_wide(spec(task, **settings).training):
        chosen = spec(task, **settings)
        inputs = chosen.keras_inputs()
        hidden = keras.layers.Dense(4, name="hidden")(inputs["numeric"])
        model = heads.compiled(inputs, hidden, chosen)
    assert model.get_layer("hidden").compute_dtype == precision.removeprefix("mixed_")
    assert model.get_layer("hidden").kernel.dtype == "float32"
    assert model.output.dtype == "float32"
    assert heads.predictor(model, chosen).output.dtype == "float32"
    scales = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scales == (precision == "mixed_float16")


def test_logits_become_float32_probabilities():
    loss = {"name": "binary_crossentropy", "from_logits": True}
    with modes.process_wide(Trainer(precision="mixed_float16")):
        model, chosen = model_of("binary", precision="mixed_float16", loss=loss)
        assert heads.predictor(model, chosen).output.dtype == "float32"


def test_nothing_leaks_out_of_a_training_that_fails():
    def fail():
        raise ValueError

    settings = Trainer(precision="mixed_bfloat16", deterministic=True)
    with pytest.raises(ValueError), modes.process_wide(settings):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert modes.tensorflow_config.is_op_determinism_enabled()
        fail()
    assert keras.config.dtype_policy().name == "float32"
    assert not modes.tensorflow_config.is_op_determinism_enabled()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_model_of_mixed_precision_is_served_in_float32(
    precision, transformed, tmp_path, monkeypatch
):
    """In 16 bits the training graph and the SavedModel round differently, by up to 1e-3."""
    made = transformed("multiclass")
    run = tmp_path / "run"
    models = []
    predictor = heads.predictor

    def remembering(model, spec):
        models.append(model)
        return predictor(model, spec)

    monkeypatch.setattr(heads, "predictor", remembering)
    loss = {"name": "sparse_categorical_crossentropy", "from_logits": True}
    settings = {"precision": precision, "epochs": 2, "params": {"hidden": [16]}, "loss": loss}
    training.run_fn(made.fn_args(run, **settings))
    assert models[0].get_layer("hidden_1").compute_dtype == precision.removeprefix("mixed_")
    rows = [serialize(row) for row in made.held_out]
    served = export.Served(run / "Format-Serving")
    reference = export.reference_predictions(run / "model_run", made.graph, rows, served.told)
    np.testing.assert_allclose(served.predictions(rows), reference, atol=1e-5)
    assert trained(run).get_layer("hidden_1").compute_dtype == "float32"
    for one, other in zip(models[0].get_weights(), trained(run).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    args = made.fn_args(run, **settings)
    x = dict(training.Training.of(args).held_out.held)
    x.pop("label")
    np.testing.assert_allclose(
        trained(run)(x), predictor(models[0], spec("multiclass", **settings))(x), atol=5e-3
    )
    assert facts(run)["precision"] == precision


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "mixed_float16"},
        {"precision": "mixed_float16", "ema": {"momentum": 0.8}, "accumulate": 3},
    ],
    ids=["loss scale", "all"],
)
def test_an_interrupted_training_goes_on_with_its_whole_state(
    settings, transformed, tmp_path, monkeypatch
):
    made = transformed("binary")
    settings = {"epochs": 4, "optimizer": {"name": "adam", "learning_rate": 0.02}} | settings
    training.run_fn(made.fn_args(tmp_path / "whole", **settings))
    monkeypatch.setattr(mlp, "callbacks", lambda params, spec: [Interrupt(2, 4)], raising=False)
    with pytest.raises(InterruptionError):
        training.run_fn(made.fn_args(tmp_path / "run", **settings))
    monkeypatch.undo()
    training.run_fn(made.fn_args(tmp_path / "run", **settings))
    assert facts(tmp_path / "run")["resumed_from_epoch"] == 2
    weights = zip(
        trained(tmp_path / "run").get_weights(),
        trained(tmp_path / "whole").get_weights(),
        strict=True,
    )
    for one, other in weights:
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_exported_weights_are_the_averages(transformed, tmp_path, monkeypatch):
    """Followed by hand: the average of the weights after each batch."""
    seen: list[list[np.ndarray]] = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append([v.numpy().copy() for v in self.model.trainable_variables])

    monkeypatch.setattr(mlp, "callbacks", lambda params, spec: [Watch()], raising=False)
    settings = {"epochs": 2, "early_stopping": None, "ema": {"momentum": 0.9}}
    made = transformed("binary")
    training.run_fn(made.fn_args(tmp_path / "run", **settings))
    expected = seen[0]
    for weights in seen[1:]:
        expected = [0.9 * a + 0.1 * w for a, w in zip(expected, weights, strict=True)]
    model = trained(tmp_path / "run")
    for one, other in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, atol=1e-6)
    assert any(np.abs(a - w).max() > 1e-3 for a, w in zip(expected, seen[-1], strict=True))


def test_validation_judges_the_averages_and_leaves_the_weights(transformed, tmp_path):
    settings = {"epochs": 3, "early_stopping": None, "ema": {"momentum": 0.9}}
    made = transformed("binary")
    args = made.fn_args(tmp_path / "run", **settings)
    training.run_fn(args)
    x = dict(training.Training.of(args).held_out.held)
    y = x.pop("label").numpy().ravel()
    predicted = np.asarray(trained(tmp_path / "run")(x)).ravel()
    loss = -np.mean(np.log(np.where(y == 1, predicted, 1 - predicted)))
    assert loss == pytest.approx(history(tmp_path / "run")["val_loss"][-1], rel=1e-3)


def test_swapping_in_averages_loses_no_bit():
    model, _ = model_of("binary", ema={"momentum": 0.5}, optimizer="sgd")
    model.optimizer.build(model.trainable_variables)
    kernel = model.trainable_variables[0]
    kernel.assign(np.array([[1e6], [1e-6]], np.float32))
    before = kernel.numpy().copy()
    swap = averages.ValidateAverages()
    swap.set_model(model)
    swap.on_test_begin()
    assert (kernel.numpy() != before).all()
    swap.on_test_end()
    np.testing.assert_array_equal(kernel.numpy(), before)


def test_two_deterministic_trainings_are_equal_bit_by_bit(transformed, tmp_path):
    made = transformed("multiclass")
    settings = {
        "deterministic": True,
        "epochs": 3,
        "params": {"hidden": [32], "dropout": 0.4, "batch_normalization": True},
    }
    for name in ("one", "two"):
        training.run_fn(made.fn_args(tmp_path / name / "run", **settings))
    one, two = (trained(tmp_path / name / "run").get_weights() for name in ("one", "two"))
    for a, b in zip(one, two, strict=True):
        assert a.tobytes() == b.tobytes()
    assert history(tmp_path / "one" / "run") == history(tmp_path / "two" / "run")
    other = made.fn_args(tmp_path / "three" / "run", **settings, seed=2)
    training.run_fn(other)
    assert history(tmp_path / "three" / "run") != history(tmp_path / "one" / "run")


def test_accumulated_gradients_are_those_of_a_larger_batch():
    x = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    y = (x.sum(1, keepdims=True) > 0).astype(np.int64)
    weights = []
    for accumulate, rows in ((3, 4), (1, 12)):
        keras.utils.set_random_seed(1)
        model, _ = model_of("binary", accumulate=accumulate, optimizer="adam", clip_norm=0.1)
        model.fit({"numeric": x}, y, batch_size=rows, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_schedule_counts_steps_and_the_record_updates_too(transformed, tmp_path):
    settings = {
        "epochs": 4,
        "accumulate": 4,
        "early_stopping": None,
        "schedule": "cosine",
        "optimizer": {"name": "sgd", "learning_rate": 1.0},
    }
    training.run_fn(transformed("binary").fn_args(tmp_path / "run", **settings))
    said = facts(tmp_path / "run")
    assert (said["steps"], said["updates"]) == (40, 10)
    rates = history(tmp_path / "run")["learning_rate"]
    expected = [0.5 * (1 + np.cos(np.pi * step / 40)) for step in (10, 20, 30, 40)]
    np.testing.assert_allclose(rates, expected, atol=1e-6)


def test_every_key_of_the_table_reaches_keras():
    chosen = Trainer.model_validate(
        {"clip_norm": 2.0, "accumulate": 3, "ema": {"momentum": 0.7, "overwrite_every": 5}}
    )
    built = optimizers.build(chosen, steps=9)
    config = built.get_config()
    assert config["global_clipnorm"] == 2.0
    assert config["gradient_accumulation_steps"] == 3
    assert (config["use_ema"], config["ema_momentum"]) == (True, 0.7)
    assert config["ema_overwrite_frequency"] == 5
    assert {name: config[name] for name in options.optimizer_options(chosen)} == (
        options.optimizer_options(chosen)
    )


@pytest.mark.parametrize(("wanted", "got"), [(1, 1), (3, 2), (4, 2), (5, 5), (9, 5), (50, 10)])
def test_steps_of_a_call_divide_the_epoch(wanted, got):
    chosen = spec("binary", batch_size=1, steps_per_execution=wanted)  # ten rows
    assert options.steps_per_execution(chosen) == got


def test_steps_per_execution_changes_nothing_but_the_calls(transformed, tmp_path, monkeypatch):
    calls: list[int] = []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            calls.append(batch)

    made = transformed("binary")
    settings = {"steps": 25, "epochs": None, "early_stopping": None}  # ten steps an epoch
    training.run_fn(made.fn_args(tmp_path / "one" / "run", **settings))
    monkeypatch.setattr(mlp, "callbacks", lambda params, spec: [Count()], raising=False)
    args = made.fn_args(tmp_path / "five" / "run", **settings, steps_per_execution=7)
    training.run_fn(args)
    assert calls == [4, 9, 4, 9, 4]
    one, five = (trained(tmp_path / name / "run").get_weights() for name in ("one", "five"))
    for a, b in zip(one, five, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert facts(tmp_path / "five" / "run")["steps"] == 25


def test_a_last_call_that_is_cut_short_makes_no_step_too_many(transformed, tmp_path, monkeypatch):
    """Thirteen steps in calls of five: the third call of all makes three."""
    counted: list[int] = []

    class Count(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            counted.append(int(self.model.optimizer.iterations))

    monkeypatch.setattr(mlp, "callbacks", lambda params, spec: [Count()], raising=False)
    settings = {"steps": 13, "epochs": None, "steps_per_execution": 5}
    training.run_fn(transformed("binary").fn_args(tmp_path / "run", **settings))
    assert counted == [13]


@pytest.mark.parametrize("wanted", [True, False, "auto"])
def test_xla_is_used_where_it_is_asked_for(wanted, transformed, tmp_path):
    model, _ = model_of("binary", jit_compile=wanted)
    on_accelerator = bool(tf.config.list_physical_devices("GPU"))
    assert model.jit_compile == (wanted if wanted != "auto" else on_accelerator)
    if wanted is True:
        settings = {"jit_compile": True, "epochs": 1}
        training.run_fn(transformed("binary").fn_args(tmp_path / "run", **settings))
        assert len(history(tmp_path / "run")["loss"]) == 1


def test_xla_is_refused_with_the_layer_that_it_cannot_compile():
    chosen = spec("binary", jit_compile=True)
    inputs = chosen.keras_inputs()
    layer = keras.layers.Dense(2, name="stubborn")
    layer.supports_jit = False
    with pytest.raises(RecipeError, match=r"stubborn \(Dense\)") as caught:
        heads.compiled(inputs, layer(inputs["numeric"]), chosen)
    assert caught.value.where == "trainer.jit_compile"


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"jit_compile": True, "deterministic": True}, "not deterministic"),
        ({"jit_compile": True, "distribution": "mirrored"}, "several devices"),
        ({"accumulate": 2, "distribution": "multi_worker"}, "accumulate"),
        ({"distribution": "tpu"}, "address"),
        ({"distribution": {"name": "mirrored", "address": "local"}}, "address"),
        ({"distribution": {"name": "tpu", "address": "a", "devices": ["GPU:0"]}}, "devices"),
        ({"precision": "float16"}, "mixed_float16"),
    ],
)
def test_what_cannot_go_together_is_refused_in_the_recipe(section, words):
    with pytest.raises(ValidationError, match=words):
        Trainer.model_validate(section)


def test_the_private_names_of_keras_are_those_of_the_pinned_version():
    """A newer Keras may have renamed them, or mended what they work around."""
    from keras.src.backend.tensorflow import trainer as keras_trainer

    assert keras.__version__ == keras_private.KERAS
    assert callable(keras_trainer._collective_all_reduce_multi_worker)
    assert callable(keras.Model._maybe_symbolic_build)
    assert callable(keras.Model._symbolic_build)
    optimizer = keras.optimizers.SGD(use_ema=True)
    optimizer.build([keras.Variable([1.0])])
    assert len(optimizer._model_variables_moving_average) == len(optimizer._trainable_variables)
