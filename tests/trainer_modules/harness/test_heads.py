"""Heads, losses and training metrics of each task."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.trainer_modules.tables import heads_of
from trainyard.errors import RecipeError
from trainyard.recipe_schema import Loss, Task, Trainer
from trainyard.trainer_modules import harness
from trainyard.trainer_modules.harness import heads
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec

LABELS: dict[Task, LabelSpec] = {
    "binary": LabelSpec(10, ("0", "1"), (8, 2)),
    "multiclass": LabelSpec(9, ("a", "b", "c"), (3, 3, 3)),
    "regression": LabelSpec(10, mean=5000.0, std=100.0),
}
TRUTH = {"binary": [[1], [0]], "multiclass": [[2], [0]], "regression": [[5100.0], [4900.0]]}


def spec(task: Task, **trainer) -> ModelSpec:
    return ModelSpec.of_one(
        {"numeric": InputSpec((2,), "float32")},
        task,
        LABELS[task],
        Trainer.model_validate(trainer),
    )


def model_of(task: Task, **trainer) -> tuple[keras.Model, ModelSpec]:
    chosen = spec(task, **trainer)
    inputs = chosen.keras_inputs()
    return heads.compiled(inputs, inputs["numeric"], chosen), chosen


# Text has one loss, which the tests of modules that write train with.
CHOICES = [(t, name) for t, losses in heads.LOSSES.items() for name in losses if t != "text"]


@pytest.mark.parametrize(("task", "name"), CHOICES)
def test_every_loss_trains_and_is_saved(task, name, tmp_path):
    model, _ = model_of(task, loss=name, optimizer={"name": "adam", "learning_rate": 0.01})
    x = {"numeric": np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)}
    losses = model.fit(x, np.array(TRUTH[task]), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    values = again.evaluate(x, np.array(TRUTH[task]), verbose=0)
    assert values == pytest.approx(model.evaluate(x, np.array(TRUTH[task]), verbose=0))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_label_smoothing_moves_the_labels(task):
    plain = heads.build_loss(spec(task).head)
    smoothing = {"name": next(iter(heads.LOSSES[task])), "label_smoothing": 0.2}
    smooth = heads.build_loss(spec(task, loss=smoothing).head)
    sure = {"binary": [[0.999], [0.001]], "multiclass": [[0.0005, 0.0005, 0.999], [0.999, 0, 0]]}
    predicted = np.array(sure[task], np.float32)
    assert float(smooth(np.array(TRUTH[task]), predicted)) > 10 * float(
        plain(np.array(TRUTH[task]), predicted)
    )


def test_smoothed_multiclass_loss_is_the_cross_entropy_with_smoothed_labels():
    name = "sparse_categorical_crossentropy"
    loss = heads.build_loss(spec("multiclass", loss={"name": name, "label_smoothing": 0.3}).head)
    predicted = np.array([[0.2, 0.3, 0.5]], np.float32)
    expected = -(0.1 * np.log(0.2) + 0.1 * np.log(0.3) + 0.8 * np.log(0.5))
    assert float(loss(np.array([[2]]), predicted)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("written", "cls"),
    [
        ("mse", keras.losses.MeanSquaredError),
        ("MSE", keras.losses.MeanSquaredError),
        ("MeanSquaredError", keras.losses.MeanSquaredError),
        ("mae", keras.losses.MeanAbsoluteError),
        ("Huber", keras.losses.Huber),
        ("logcosh", keras.losses.LogCosh),
    ],
)
def test_names_may_be_written_as_one_likes(written, cls):
    assert type(heads.loss_class(Loss(name=written), "regression")) is cls


@pytest.mark.parametrize(
    ("task", "loss", "where", "words"),
    [
        ("binary", {"name": "mse"}, "trainer.loss.name", "for regression tasks"),
        ("multiclass", {"name": "BinaryCrossentropy"}, "trainer.loss.name", "for binary tasks"),
        ("regression", {"name": "hubber"}, "trainer.loss.name", "did you mean 'huber'"),
        ("regression", {"name": "huber", "delte": 1.0}, "trainer.loss.delte", "'delta'"),
        ("regression", {"name": "huber", "delta": "big"}, "trainer.loss.delta", "float"),
        ("regression", {"name": "mse", "from_logits": True}, "trainer.loss.from_logits", ""),
        ("binary", {"name": "binary_crossentropy", "reduction": "sum"}, None, "no option"),
    ],
)
def test_a_mistake_is_named(task, loss, where, words):
    with pytest.raises(RecipeError) as caught:
        heads.loss_class(Loss.model_validate(loss), task)
    assert where is None or caught.value.where == where
    assert words in str(caught.value)


def test_regression_predicts_in_label_units_and_learns_in_standard_deviations():
    model, chosen = model_of("regression")
    predicted = model.predict({"numeric": np.zeros((1, 2), np.float32)}, verbose=0)
    assert predicted[0, 0] == pytest.approx(5000.0)
    loss = heads.build_loss(chosen.head)
    assert float(loss(np.array([[5000.0]]), np.array([[5200.0]]))) == pytest.approx(4.0)


def test_an_untrained_binary_model_predicts_the_positive_rate():
    for loss in ("binary_crossentropy", {"name": "binary_crossentropy", "from_logits": True}):
        model, chosen = model_of("binary", loss=loss)
        served = heads.predictor(model, chosen)
        predicted = served.predict({"numeric": np.zeros((1, 2), np.float32)}, verbose=0)
        assert predicted[0, 0] == pytest.approx(0.2, rel=1e-5)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_from_logits_trains_without_the_activation_and_serves_with_it(task):
    name = next(iter(heads.LOSSES[task]))
    model, chosen = model_of(task, loss={"name": name, "from_logits": True})
    x = {"numeric": np.array([[30.0, -40.0], [3.0, 4.0]], np.float32)}
    logits = model.predict(x, verbose=0)
    served = heads.predictor(model, chosen).predict(x, verbose=0)
    expected = (
        1 / (1 + np.exp(-logits))
        if task == "binary"
        else np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    )
    assert np.abs(logits).max() > 1
    np.testing.assert_allclose(served, expected, atol=1e-6)
    assert (served >= 0).all()
    assert (served <= 1).all()
    measured = model.evaluate(x, np.array(TRUTH[task]), verbose=0, return_dict=True)
    most = served > 0.5 if task == "binary" else served.argmax(1)[:, None]
    assert measured["accuracy"] == pytest.approx((most == np.array(TRUTH[task])).mean())
    assert heads.predictor(model, spec(task)) is model, "no second activation"


@pytest.mark.parametrize(
    ("task", "section", "where"),
    [
        ("binary", {"module": "mpl"}, "trainer.module"),
        ("binary", {"params": {"hiden": [1]}}, "trainer.params.hiden"),
        ("binary", {"loss": "huber"}, "trainer.loss.name"),
        ("binary", {"optimizer": "adma"}, "trainer.optimizer.name"),
        ("binary", {"early_stopping": {"monitor": "val_auk"}}, "trainer.early_stopping.monitor"),
        ("regression", {"early_stopping": {"monitor": "auc"}}, "trainer.early_stopping.monitor"),
        ("regression", {"class_weights": "balanced"}, "trainer.class_weights"),
        ("binary", {"schedule": {"name": "plateau", "warmup": 0.5}}, "trainer.schedule.warmup"),
    ],
)
def test_check_finds_mistakes_without_data(task, section, where):
    with pytest.raises(RecipeError) as caught:
        trainer = Trainer.model_validate(section)
        harness.check(trainer, heads_of(task, trainer))
    assert caught.value.where == where


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_check_lets_the_defaults_pass(task):
    for trainer in (Trainer(), Trainer(early_stopping=None)):
        harness.check(trainer, heads_of(task, trainer))
