"""Batches, their order, and what classes weigh."""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules.harness import inputs


@pytest.fixture
def files(tmp_path):
    for part in range(2):
        with tf.io.TFRecordWriter(str(tmp_path / f"part-{part}.gz"), "GZIP") as writer:
            for number in range(25):
                writer.write(str(part * 25 + number).encode())
    return inputs.expand([str(tmp_path / "part*")])


def flat(batches):
    return list(chain.from_iterable(batches))


def order(files, epochs, seed=1, batch_size=8):
    chosen = SimpleNamespace(training=Trainer(batch_size=batch_size, seed=seed))
    parse = tf.strings.to_number
    made = inputs.make_dataset(None, chosen, files, parse, epochs)
    return [batch.tolist() for batch in made.as_numpy_iterator()]


def test_files_are_sorted(files):
    assert files == sorted(files)
    assert len(files) == 2


def test_an_epoch_has_every_example_once_and_the_last_batch_is_smaller(files):
    batches = order(files, range(1))
    assert [len(batch) for batch in batches] == [8] * 6 + [2]
    assert sorted(flat(batches)) == list(range(50))
    assert flat(batches) != list(range(50))


def test_the_order_depends_on_seed_and_epoch_alone(files):
    whole = order(files, range(4))
    assert whole == order(files, range(4))
    assert whole[14:] == order(files, range(2, 4)), "as after an interruption"
    assert whole[:7] != whole[7:14]
    assert whole != order(files, range(4), seed=2)


def test_the_order_is_the_same_without_the_cache(files, monkeypatch):
    cached = order(files, range(3))
    monkeypatch.setattr(inputs, "CACHE_BYTES", 0)
    assert order(files, range(3)) == cached


def test_validation_is_in_order(files):
    batches = order(files, None)
    assert sorted(flat(batches)) == list(range(50))
    assert batches == order(files, None)


def test_balanced_classes_weigh_the_same_in_sum():
    weights = inputs.class_weights("balanced", ["a", "b"], [30, 10])
    assert weights == [pytest.approx(2 / 3), 2.0]
    np.testing.assert_allclose(np.dot(weights, [30, 10]), 40)


def test_classes_weigh_as_named():
    assert inputs.class_weights({"b": 3.0}, ["a", "b"], [1, 1]) == [1.0, 3.0]
    assert inputs.class_weights(None, ["a", "b"], [1, 1]) is None


def test_an_unknown_class_names_the_nearest():
    with pytest.raises(RecipeError, match=r"(?s)class_weights.hig.*did you mean 'high'"):
        inputs.class_weights({"hig": 3.0}, ["high", "low"], [1, 1])


def test_weights_reach_the_examples(transformed):
    import tensorflow_transform as tft

    made = transformed("binary")
    output = tft.TFTransformOutput(str(made.graph))
    parse = inputs.parser(output, [1.0, 5.0])
    files = inputs.expand([str(made.folder / "train*")])
    serialized = next(iter(tf.data.TFRecordDataset(files, "GZIP").batch(50)))
    _, label, weight = parse(serialized)
    np.testing.assert_array_equal(weight, np.where(label == 1, 5.0, 1.0))
