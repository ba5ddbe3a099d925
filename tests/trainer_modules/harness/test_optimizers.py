"""Optimizers, their options and schedules, by name."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules.harness import optimizers, schedules


def trainer(**section) -> Trainer:
    return Trainer.model_validate(section)


@pytest.mark.parametrize("name", sorted(optimizers.known()))
def test_every_optimizer_takes_a_step(name):
    optimizer = optimizers.build(trainer(optimizer=name, clip_norm=1.0), steps=10)
    weight = keras.Variable([[1.0, 2.0], [3.0, 4.0]])
    optimizer.build([weight])
    before = weight.numpy().copy()
    optimizer.apply_gradients([(keras.ops.ones((2, 2)), weight)])
    assert np.isfinite(weight.numpy()).all()
    assert (weight.numpy() != before).any()
    assert optimizer.global_clipnorm == 1.0


def test_the_usual_ones_are_there_and_wrappers_are_not():
    usual = {"sgd", "rmsprop", "adam", "adamw", "adagrad", "nadam", "adadelta", "adamax", "ftrl"}
    assert usual <= set(optimizers.known())
    assert not {"optimizer", "lossscaleoptimizer"} & set(optimizers.known())


@pytest.mark.parametrize("name", ["AdamW", "adam_w", "ADAMW"])
def test_names_may_be_written_as_one_likes(name):
    chosen = {"name": name, "weight_decay": 0.1}
    optimizer = optimizers.build(trainer(optimizer=chosen), steps=10)
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.weight_decay == 0.1


def test_options_reach_the_constructor():
    chosen = {"name": "sgd", "momentum": 0.9, "nesterov": True, "learning_rate": 0.5}
    optimizer = optimizers.build(trainer(optimizer=chosen), steps=10)
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)
    assert float(optimizer.learning_rate) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("chosen", "where", "words"),
    [
        ({"name": "adamm"}, "trainer.optimizer.name", "did you mean 'adam'"),
        ({"name": "sgd", "momentun": 0.9}, "trainer.optimizer.momentun", "'momentum'"),
        ({"name": "sgd", "momentum": "much"}, "trainer.optimizer.momentum", "float"),
        ({"name": "sgd", "momentum": True}, "trainer.optimizer.momentum", "float"),
        ({"name": "sgd", "nesterov": 1}, "trainer.optimizer.nesterov", "bool"),
        ({"name": "sgd", "momentum": 3.0}, "trainer.optimizer", "momentum"),
        ({"name": "adam", "global_clipnorm": 1.0}, "trainer.optimizer.global_clipnorm", ""),
    ],
)
def test_a_mistake_is_named(chosen, where, words):
    with pytest.raises(RecipeError) as caught:
        optimizers.build(trainer(optimizer=chosen), steps=10)
    assert caught.value.where == where
    assert words in str(caught.value)


def rates(steps: int = 100, **schedule) -> list[float]:
    chosen = trainer(schedule=schedule, optimizer={"name": "sgd", "learning_rate": 0.2})
    rate = schedules.learning_rate(chosen, steps)
    return [float(rate(step)) for step in range(steps + 1)]


def test_constant():
    assert rates(name="constant") == pytest.approx([0.2] * 101)


def test_cosine_is_half_way_down_in_the_middle_and_0_at_the_end():
    values = rates(name="cosine")
    assert values[0] == pytest.approx(0.2)
    assert values[50] == pytest.approx(0.1)
    assert values[100] == pytest.approx(0.0, abs=1e-7)


def test_warm_up_rises_linearly_then_the_decay_begins():
    values = rates(name="cosine", warmup=0.2)
    np.testing.assert_allclose(np.diff(values[:20]), 0.2 / 21, rtol=1e-4)
    assert max(values) == pytest.approx(0.2)
    assert int(np.argmax(values)) == 20
    assert values[60] == pytest.approx(0.1)


def test_exponential_is_smooth():
    values = rates(name="exponential", decay=0.5, every=0.25)
    assert [values[step] for step in (0, 25, 50, 100)] == pytest.approx([0.2, 0.1, 0.05, 0.0125])
    assert values[12] == pytest.approx(0.2 * 0.5 ** (12 / 25))


def test_step_is_not():
    values = rates(name="step", decay=0.5, every=0.25)
    assert values[24] == pytest.approx(0.2)
    assert values[26] == pytest.approx(0.1)


def test_no_rate_falls_below_the_minimum():
    assert min(rates(name="cosine", minimum=0.25)) == pytest.approx(0.05)


def test_a_schedule_survives_saving():
    rate = schedules.learning_rate(trainer(schedule={"name": "step", "warmup": 0.1}), 50)
    again = type(rate).from_config(rate.get_config())
    assert [float(again(s)) for s in range(50)] == [float(rate(s)) for s in range(50)]


def test_plateau_is_a_callback():
    chosen = trainer(
        schedule={"name": "plateau", "decay": 0.3, "patience": 2, "minimum": 0.1},
        early_stopping={"monitor": "val_auc"},
    )
    assert schedules.learning_rate(chosen, 10) == 1e-3
    (callback,) = schedules.callbacks(chosen)
    assert (callback.monitor, callback.mode) == ("val_auc", "max")
    assert (callback.factor, callback.patience) == (0.3, 2)
    assert callback.min_lr == pytest.approx(1e-4)
    assert schedules.callbacks(trainer()) == []
    (callback,) = schedules.callbacks(
        chosen.model_copy(update={"early_stopping": None})  # then it looks at the loss
    )
    assert (callback.monitor, callback.mode) == ("val_loss", "min")


def test_plateau_has_no_warm_up():
    with pytest.raises(RecipeError, match="warm-up"):
        schedules.learning_rate(trainer(schedule={"name": "plateau", "warmup": 0.1}), 10)
