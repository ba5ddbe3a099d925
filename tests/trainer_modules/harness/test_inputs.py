"""What is read, batches, their order, and what classes weigh."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import tensorflow as tf

from trainyard.errors import RecipeError
from trainyard.recipe_schema import Trainer
from trainyard.trainer_modules.harness import inputs, names, spec

FEATURES = {
    "number": tf.io.FixedLenFeature([1], tf.int64),
    "text": tf.io.FixedLenFeature([], tf.string),
    names.LABEL: tf.io.FixedLenFeature([1], tf.int64),
}


def example(number):
    made = tf.train.Example()
    made.features.feature["number"].int64_list.value.append(number)
    made.features.feature["text"].bytes_list.value.append(str(number).encode())
    made.features.feature[names.LABEL].int64_list.value.append(number % 2)
    return made.SerializeToString()


@pytest.fixture
def files(tmp_path):
    for part in range(2):
        with tf.io.TFRecordWriter(str(tmp_path / f"part-{part}.gz"), "GZIP") as writer:
            for number in range(25):
                writer.write(example(part * 25 + number))
    return inputs.expand([str(tmp_path / "part*")])


@pytest.fixture(params=["held in memory", "streamed"])
def examples(request, files):
    """The same rows, each of the two ways to read them."""
    held = request.param == "held in memory"
    made = inputs.Examples(files, FEATURES, memory=10_000 if held else 800)
    assert (made.held is not None) == held
    return made


def flat(batches):
    return list(chain.from_iterable(batches))


def specification(width=1, seed=1, batch_size=8, dtype="int64", **trainer):
    chosen = Trainer(batch_size=batch_size, seed=seed, **trainer)
    label = spec.LabelSpec(50, ("even", "odd"), (25, 25))
    return spec.ModelSpec.of_one(
        {"number": spec.InputSpec((width,), dtype)}, "binary", label, chosen
    )


def order(examples, epochs, chosen=None, **more):
    made = inputs.make_dataset(None, chosen or specification(), examples, epochs, **more)
    for x, y, *_ in made.as_numpy_iterator():
        np.testing.assert_array_equal(x["number"] % 2, y)
        assert x["text"].astype(int).tolist() == x["number"].ravel().tolist()
    return [x["number"].ravel().tolist() for x, *_ in made.as_numpy_iterator()]


def test_files_are_sorted(files):
    assert files == sorted(files)
    assert len(files) == 2


def test_all_labels_are_read(examples):
    assert examples.targets[names.LABEL].tolist() == [number % 2 for number in range(50)]


def test_no_files_have_no_labels():
    assert len(inputs.Examples([], FEATURES).targets[names.LABEL]) == 0


def test_an_epoch_has_every_example_once_and_the_last_batch_is_smaller(examples):
    batches = order(examples, range(1))
    assert [len(batch) for batch in batches] == [8] * 6 + [2]
    assert sorted(flat(batches)) == list(range(50))
    assert flat(batches) != list(range(50))


def test_the_order_depends_on_seed_and_epoch_alone(examples):
    whole = order(examples, range(4))
    assert whole == order(examples, range(4))
    assert whole[14:] == order(examples, range(2, 4)), "as after an interruption"
    assert whole[:7] != whole[7:14]
    assert whole != order(examples, range(4), specification(seed=2))


def test_neighbours_of_the_file_are_not_neighbours_of_an_epoch(files):
    rows = np.array(flat(order(inputs.Examples(files, FEATURES), range(200))))
    first = rows.reshape(200, 50)[:, 0]
    assert len(set(first)) > 40, "any row may come first"
    together = np.mean(np.abs(np.diff(rows)) == 1)
    assert together == pytest.approx(2 / 50, abs=0.01)


def test_validation_is_in_order(examples):
    assert flat(order(examples, None)) == list(range(50))


@pytest.mark.parametrize(
    ("chosen", "largest"),
    [
        (specification(), 50),  # of a table at once
        (specification(width=1 << 13), 16),  # of large inputs as many as fit
        (specification(width=1 << 20), 8),  # but no fewer than while training
        (specification(dtype="string"), 8),  # of inputs of any size too
    ],
)
def test_validation_takes_many_rows_at_a_time(examples, chosen, largest):
    assert len(order(examples, None, chosen)[0]) == largest


def test_a_module_may_say_how_many_rows_validation_takes(examples):
    assert [len(batch) for batch in order(examples, None, validation_rows=20)] == [20, 20, 10]


def test_a_block_of_large_examples_has_few_rows(files, monkeypatch):
    monkeypatch.setattr(inputs, "BLOCK_BYTES", 4 * len(example(20)))
    examples = inputs.Examples(files, FEATURES)
    assert {len(block) for block in examples._blocks().as_numpy_iterator()} <= {4, 1}
    assert sorted(flat(order(examples, None))) == list(range(50)), "the files take turns"


@pytest.mark.parametrize(("rows", "expected"), [(3, [0, 4, 9]), (1, [0]), (20, list(range(10)))])
def test_rows_are_taken_at_equal_distances(rows, expected):
    taken = inputs.spread(tf.range(10) * 2, rows).numpy()
    assert taken.tolist() == [2 * place for place in expected]


def test_sparse_features_are_streamed(files):
    sparse = {**FEATURES, "number": tf.io.VarLenFeature(tf.int64)}
    examples = inputs.Examples(files, sparse)
    assert examples.held is None
    batches = examples.batches(8, seed=1, epochs=range(2))
    assert sum(batch[names.LABEL].shape[0] for batch in batches) == 100


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


def test_weights_reach_the_training_examples_alone(examples):
    chosen = specification(class_weights={"odd": 5.0})
    for _, label, weight in inputs.make_dataset(None, chosen, examples, range(1)):
        np.testing.assert_array_equal(weight, np.where(label == 1, 5.0, 1.0))
    assert len(next(iter(inputs.make_dataset(None, chosen, examples, None)))) == 2
