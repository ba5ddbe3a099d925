"""State from batch to batch, and a series through run_fn, export and what is served, for real."""

from __future__ import annotations

import dataclasses
import itertools
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules.measurements import PAST
from tests.trainer_modules.tables import serialize
from trainyard.errors import RecipeError
from trainyard.recipe_schema import Distribution, SeriesFeature, Trainer
from trainyard.trainer_modules import stateful_forecast as module
from trainyard.trainer_modules.harness import description, export, training
from trainyard.trainer_modules.harness.inputs import Examples
from trainyard.trainer_modules.harness.names import LABEL
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec
from trainyard.trainer_modules.layers import carried

STEPS = 3


def windows(*lengths: int) -> np.ndarray:
    """Rows of series of so many values, which are 100, 101, ... and then 200, 201, ..."""
    series = [100.0 * (number + 1) + np.arange(length) for number, length in enumerate(lengths)]
    view = np.lib.stride_tricks.sliding_window_view
    return np.concatenate([view(each, STEPS + 1) for each in series])


class Held(Examples):
    """Rows in memory; the last of the values is the label."""

    def __init__(self, rows: np.ndarray) -> None:
        super().__init__([], {})
        past, label = rows[:, :-1].astype(np.float32), rows[:, -1:].astype(np.float32)
        held = {"past": tf.constant(past), LABEL: tf.constant(label)}
        self._read = ({LABEL: label.ravel()}, held)


def spec(rows: int, size: int, steps: int = STEPS) -> ModelSpec:
    past = InputSpec((steps,), "float32", series=SeriesFeature(length=steps))
    settings = Trainer(module="stateful_forecast", batch_size=size, seed=1)
    label = LabelSpec(rows, mean=0.0, std=1.0)
    return ModelSpec.of_one({"past": past}, "regression", label, settings)


def epoch(rows: np.ndarray, size: int, number: int = 0) -> list[tuple[np.ndarray, ...]]:
    """The batches of an epoch: pasts, labels and where the state begins anew."""
    dataset = module.make_dataset(
        module.TINY, spec(len(rows), size), Held(rows), range(number, number + 1)
    )
    return [
        (x["past"].numpy(), y.numpy()[:, 0], x[carried.RESTART].numpy()[:, 0]) for x, y in dataset
    ]


def test_an_epoch_has_each_row_once_in_as_many_batches_as_the_harness_counts():
    rows = windows(43)  # 40 rows: four stretches of ten
    batches = epoch(rows, 4)
    assert len(batches) == spec(40, 4).steps_per_epoch
    labels = np.concatenate([label for _, label, _ in batches])
    assert sorted(labels) == sorted(rows[:, -1])
    for past, label, _ in batches:
        np.testing.assert_array_equal(past[:, -1] + 1, label)


def test_a_row_goes_on_where_the_one_before_ended_or_begins_anew():
    batches = epoch(windows(63, 57), 4)
    passes = 0
    for (before, label, _), (past, _, restart) in itertools.pairwise(batches):
        follows = past[:, 0] == label
        np.testing.assert_array_equal(follows, restart == 0)
        np.testing.assert_array_equal(follows[restart == 0], True)
        np.testing.assert_array_equal(before[:, -1] + 1, label)
        passes += int((restart == 1).all())
    assert passes == STEPS - 1
    some = [restart for _, _, restart in batches if 0 < restart.sum() < len(restart)]
    assert some, "the break falls into the middle of a stretch"


def test_epochs_differ_in_the_order_of_their_passes_only():
    first, second, again = (epoch(windows(63), 4, number) for number in (0, 1, 0))
    np.testing.assert_array_equal(first[0][0], again[0][0])
    orders = [np.concatenate([label for _, label, _ in each]) for each in (first, second)]
    assert not np.array_equal(*orders)
    assert sorted(orders[0]) == sorted(orders[1])


@pytest.mark.parametrize("rows", [41, 42, 43])
def test_stretches_share_rows_where_their_length_does_not_divide_them(rows):
    batches = epoch(windows(rows + STEPS), 4)
    assert {len(label) for _, label, _ in batches} == {4}
    assert len(batches) == spec(rows, 4).steps_per_epoch
    labels = np.concatenate([label for _, label, _ in batches])
    assert set(labels) == set(windows(rows + STEPS)[:, -1])


def test_a_batch_of_more_rows_than_there_are_is_refused():
    with pytest.raises(RecipeError, match="a batch of 8 stretches") as caught:
        epoch(windows(9), 8)
    assert caught.value.where == "trainer.batch_size"


def test_a_series_that_memory_does_not_hold_is_refused():
    held = Held(windows(43))
    held._read = (held.targets, None)
    with pytest.raises(RecipeError, match="too long to be held in memory"):
        module.make_dataset(module.TINY, spec(40, 4), held, range(1))


def test_several_devices_cannot_share_a_state():
    made = spec(40, 4)
    shared = made.training.model_copy(update={"distribution": Distribution(name="mirrored")})
    with pytest.raises(RecipeError, match="among devices"):
        module.build_model(module.TINY, dataclasses.replace(made, training=shared))


def test_without_state_rows_are_shuffled():
    rows = windows(43)
    params = module.Params(stateful=False)
    batches = list(module.make_dataset(params, spec(40, 4), Held(rows), range(1)))
    assert all(set(x) == {"past"} for x, _ in batches)
    assert len(batches) == 10


def test_the_state_is_that_of_one_long_sequence():
    """Two batches of three steps each end where one of six does; a row may begin anew."""
    layer = carried.LSTM(4, rows=2, sequences=False)
    values = np.random.default_rng(0).normal(size=(2, 6, 1)).astype(np.float32)
    whole = layer(values)
    layer.carries = True
    layer.begin(np.ones((2, 1), np.float32))
    layer(values[:, :3])
    np.testing.assert_allclose(_after(layer, values, [[0.0], [0.0]]), whole, rtol=1e-5)
    layer.begin(np.ones((2, 1), np.float32))
    layer(values[:, :3])
    second = _after(layer, values, [[0.0], [1.0]])
    np.testing.assert_allclose(second[0], whole[0], rtol=1e-5)
    layer.carries = False
    np.testing.assert_allclose(second[1], layer(values[:, 3:])[1], rtol=1e-5)


def _after(layer: carried.LSTM, values: np.ndarray, restart: list[list[float]]) -> np.ndarray:
    layer.begin(np.array(restart, np.float32))
    return layer(values[:, 3:]).numpy()


def test_training_carries_the_state_and_predicting_does_not():
    model = module.build_model(module.TINY, spec(40, 4))
    state = next(layer for layer in model.layers if isinstance(layer, carried.LSTM)).state
    batches = module.make_dataset(module.TINY, spec(40, 4), Held(windows(43)), range(1))
    past = windows(43)[:5, :-1].astype(np.float32)
    before = model.predict({"past": past}, verbose=0)
    assert not np.any(state[0])
    np.testing.assert_array_equal(model.predict({"past": past}, verbose=0), before)
    model.fit(batches, verbose=0)
    assert np.any(state[0])
    kept = np.array(state[0])
    model.predict({"past": past}, verbose=0)
    np.testing.assert_array_equal(state[0], kept)
    x, y = next(iter(batches))
    model.train_on_batch({"past": x["past"]}, y)  # says nothing of state: none is carried
    np.testing.assert_array_equal(state[0], kept)


def test_every_parameter_has_its_layer():
    params = module.Params(units=(4, 3), dropout=0.5, hidden=(2,), stateful=False)
    names = [layer.name for layer in module.build_model(params, spec(40, 4)).layers]
    assert names[2:-2] == ["lstm_1", "dropout_1", "lstm_2", "dropout_2", "hidden_1"]


def test_a_table_is_no_series():
    numbers = ModelSpec.of_one({"numeric": InputSpec((3,), "float32")}, "regression", LabelSpec(9))
    with pytest.raises(RecipeError, match="takes one series"):
        module.build_model(module.TINY, numbers)


@pytest.fixture(scope="module")
def trained(transformed, tmp_path_factory):
    run = tmp_path_factory.mktemp("trained") / "run"
    made = transformed("regression", "stateful_forecast")
    adam = {"name": "adam", "learning_rate": 0.02}
    settings = {"module": "stateful_forecast", "params": {"units": [16]}, "optimizer": adam}
    training.run_fn(made.fn_args(run, epochs=20, batch_size=16, **settings))
    shutil.move(run / "Format-Serving", run / "1")
    return made, run


def test_it_learns_the_season(trained):
    made, run = trained
    served = export.Served(run / "1").predictions([serialize(row) for row in made.held_out])
    truth = np.array([[row["price"]] for row in made.held_out])
    last = np.array([row["past"][-1:] for row in made.held_out])
    assert np.std(served - truth) < 0.7 * np.std(last - truth)


def test_served_predictions_are_those_of_the_training_graph(trained):
    made, run = trained
    holes = {"past": [1000.0, float("nan"), *[900.0] * (PAST - 2)]}
    serialized = [serialize(row) for row in [*made.held_out[:20], holes]]
    served = export.Served(run / "1")
    reference = export.reference_predictions(
        run / "model_run", made.graph, serialized, description.read(run / "1")
    )
    np.testing.assert_allclose(served.predictions(serialized), reference, rtol=1e-5)
    np.testing.assert_allclose(served.raw_predictions(serialized), reference, rtol=1e-5)


def test_a_forecast_feeds_itself(trained):
    made, run = trained
    loaded = tf.saved_model.load(str(run / "1"))
    past = np.array([row["past"] for row in made.held_out[:3]], np.float32)
    found = loaded.signatures["forecast"](past=tf.constant(past), steps=tf.constant(4))
    window, expected = past, []
    for _ in range(4):
        value = loaded.signatures["serving_raw"](past=tf.constant(window))["predictions"].numpy()
        expected.append(value)
        window = np.concatenate([window[:, 1:], value], axis=1)
    np.testing.assert_allclose(found["forecast"], np.concatenate(expected, axis=1), rtol=1e-5)


@pytest.mark.parametrize("steps", [0, module.MOST_STEPS + 1])
def test_a_forecast_has_a_limit(trained, steps):
    _, run = trained
    loaded = tf.saved_model.load(str(run / "1"))
    past = tf.zeros([1, PAST])
    with pytest.raises(tf.errors.InvalidArgumentError, match="steps: expected 1 to"):
        loaded.signatures["forecast"](past=past, steps=tf.constant(steps))
    loaded.signatures["forecast"](past=past, steps=tf.constant(1))


def test_the_saved_model_file_can_be_trained_on(trained):
    _, run = trained
    model = keras.saving.load_model(run / "model_run" / export.MODEL_FILE, compile=False)
    assert isinstance(model, carried.Model)
