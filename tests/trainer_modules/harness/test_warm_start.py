from __future__ import annotations

import keras
import numpy as np
import pytest

from trainyard.errors import RecipeError
from trainyard.trainer_modules.harness import warm_start, weights_file


def model(hidden: int = 4, columns: int = 3, name: str = "hidden_1") -> keras.Model:
    inputs = keras.Input((columns,), name="x")
    vector = keras.layers.Dense(hidden, name=name)(inputs)
    vector = keras.layers.BatchNormalization(name="normalization_1")(vector)
    vector = keras.layers.Dropout(0.5, name="dropout_1")(vector)
    return keras.Model(inputs, keras.layers.Dense(1, name="predictions")(vector))


@pytest.fixture
def version(tmp_path):
    """A version as the Pusher writes it: the Keras model, and the vocabularies as assets."""
    folder = tmp_path / "3"
    file = folder / weights_file.PUSHED_MODEL
    file.parent.mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "assets" / "colour").write_text("red\nblue\n")
    pushed = model()
    pushed.get_layer("normalization_1").moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    pushed.save(file)
    return folder, pushed


@pytest.fixture
def vocabularies(tmp_path):
    folder = tmp_path / "transform"
    folder.mkdir()
    (folder / "colour").write_text("red\nblue\n")
    return folder


def test_all_weights_are_taken_over(version, vocabularies):
    folder, pushed = version
    fresh = model()
    warm_start.load(fresh, str(folder), vocabularies)
    for new, old in zip(fresh.weights, pushed.weights, strict=True):
        np.testing.assert_array_equal(new, old)
    rows = np.random.default_rng(1).normal(size=(5, 3))
    np.testing.assert_array_equal(fresh(rows), pushed(rows))


def test_a_file_is_as_good_as_a_version(version, vocabularies):
    folder, pushed = version
    fresh = model()
    warm_start.load(fresh, str(folder / weights_file.PUSHED_MODEL), vocabularies)
    np.testing.assert_array_equal(fresh.weights[0], pushed.weights[0])


@pytest.mark.parametrize(
    ("other", "expected", "received"),
    [
        ({"hidden": 5}, "(3, 5)", "(3, 4)"),
        ({"columns": 2}, "(2, 4)", "(3, 4)"),
        ({"name": "hidden_2"}, "(3, 4)", "no such weights"),
    ],
)
def test_another_architecture_is_one_clear_error(version, vocabularies, other, expected, received):
    fresh = model(**other)
    before = [np.array(weight) for weight in fresh.weights]
    with pytest.raises(RecipeError, match="does not fit: hidden_") as caught:
        warm_start.load(fresh, str(version[0]), vocabularies)
    assert (caught.value.expected, caught.value.received) == (expected, received)
    assert "warm_start: false" in caught.value.hint
    for weight, array in zip(fresh.weights, before, strict=True):
        np.testing.assert_array_equal(weight, array)


@pytest.mark.parametrize("tokens", ["red\nblue\ngreen\n", "blue\nred\n"])
def test_another_vocabulary_is_one_clear_error(version, vocabularies, tokens):
    """Even of the same size: the weights of one token would be another's."""
    (vocabularies / "colour").write_text(tokens)
    with pytest.raises(RecipeError, match="another vocabulary of 'colour'") as caught:
        warm_start.load(model(), str(version[0]), vocabularies)
    assert caught.value.expected.startswith(f"the {len(tokens.split())} tokens")


def test_what_is_no_model(tmp_path, vocabularies):
    for start in (tmp_path, tmp_path / "none.keras", tmp_path / "a.h5"):
        with pytest.raises(RecipeError, match="there is no model to start from"):
            warm_start.load(model(), str(start), vocabularies)
