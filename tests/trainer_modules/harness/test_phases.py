"""Phases: whole epochs, and training that a kill between or within them does not change."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules.harness import checkpoint, heads
from trainyard.trainer_modules.harness.phases import Phase, begin, stretches
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec


def specification(**trainer) -> ModelSpec:
    label = LabelSpec(40, ("no", "yes"), (20, 20))
    return ModelSpec.of_one(
        {"x": InputSpec((3,), "float32")}, "binary", label, Trainer(batch_size=10, **trainer)
    )


def shared(*shares: float) -> list[Phase]:
    return [Phase(f"phase {i}", share, 1.0, lambda _: None) for i, share in enumerate(shares)]


@pytest.mark.parametrize(
    ("epochs", "shares", "expected"),
    [
        (10, (1.0,), [10]),
        (10, (0.5, 0.5), [5, 5]),
        (10, (0.3, 0.35, 0.35), [3, 4, 3]),
        (2, (0.99, 0.01), [1, 1]),
        (2, (0.01, 0.99), [1, 1]),
        (3, (0.9, 0.05, 0.05), [1, 1, 1]),
        (7, (0.98, 0.01, 0.01), [5, 1, 1]),
    ],
)
def test_each_phase_has_whole_epochs_and_at_least_one(epochs, shares, expected):
    found = stretches(shared(*shares), specification(epochs=epochs))
    assert [len(entry.epochs) for entry in found] == expected
    assert [e for entry in found for e in entry.epochs] == list(range(epochs))
    assert [entry.steps for entry in found] == [4 * count for count in expected]


def test_the_last_epoch_may_be_cut_short():
    found = stretches(shared(0.5, 0.5), specification(steps=14))
    assert [entry.steps for entry in found] == [8, 6]


def test_fewer_epochs_than_phases():
    with pytest.raises(RecipeError, match=r"trainer\.epochs: 2 epochs are too few for 3 phases"):
        stretches(shared(0.4, 0.3, 0.3), specification(epochs=2))


def learning(*names: str):
    def prepare(model: keras.Model) -> None:
        for layer in model.layers:
            layer.trainable = layer.name in names

    return prepare


PHASES = [
    Phase("head", 0.5, 1.0, learning("predictions")),
    Phase("all", 0.5, 0.1, learning("hidden", "predictions")),
]
RANDOM = np.random.default_rng(0)
X, Y = {"x": RANDOM.normal(size=(40, 3)).astype("float32")}, RANDOM.integers(0, 2, (40, 1))


def model_of(spec: ModelSpec) -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = spec.keras_inputs()
    vector = keras.layers.Dense(4, "relu", name="hidden")(inputs["x"])
    return heads.compiled(inputs, vector, spec)


SCHEDULE = {"name": "cosine", "warmup": 0.25}


def train(model, spec, start=0, stop=4, state=None):
    """What `training.fit` has to do: a fit a phase, of the epochs that are left of it."""
    rates = []
    for stretch in stretches(PHASES, spec):
        epochs = range(max(start, stretch.epochs.start), min(stop, stretch.epochs.stop))
        if not epochs:
            continue
        begin(model, stretch, spec)
        model.optimizer.build(model.trainable_variables)
        if state and start == epochs.start:
            own = checkpoint.variables(model)
            inside = start > stretch.epochs.start  # else the state is of another optimizer
            count = len(own) if inside else len(model.variables)
            checkpoint.assign(own[:count], state[:count])
        for epoch in epochs:
            rates.append(float(model.optimizer.learning_rate))
            model.fit(X, Y, 10, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0)
    return rates


def test_frozen_layers_do_not_move_and_have_no_gradients():
    spec = specification(epochs=4, optimizer={"name": "adam", "learning_rate": 0.1})
    model = model_of(spec)
    before = model.get_layer("hidden").get_weights()
    train(model, spec, stop=2)
    assert len(model.trainable_variables) == 2
    np.testing.assert_array_equal(model.get_layer("hidden").get_weights()[0], before[0])
    train(model, spec, start=2)
    assert len(model.trainable_variables) == 4
    assert not np.allclose(model.get_layer("hidden").get_weights()[0], before[0])


def test_a_phase_has_its_own_rate_and_its_own_schedule():
    spec = specification(epochs=4, schedule=SCHEDULE, optimizer={"learning_rate": 0.1})
    rates = train(model_of(spec), spec)
    np.testing.assert_allclose(np.array(rates[2:]), 0.1 * np.array(rates[:2]), rtol=1e-5)
    assert rates[0] != rates[1]


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_training_goes_on_as_if_nothing_had_happened(killed_after):
    spec = specification(epochs=4, schedule=SCHEDULE, optimizer={"learning_rate": 0.1})
    whole = model_of(spec)
    train(whole, spec)
    first = model_of(spec)
    train(first, spec, stop=killed_after)
    state = checkpoint.values(checkpoint.variables(first))
    again = model_of(spec)
    train(again, spec, start=killed_after, state=state)
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
