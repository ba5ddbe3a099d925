"""Texts of like length in a batch, and no more padding than a batch needs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from trainyard.recipe_schema import TextFeature, Trainer
from trainyard.trainer_modules.harness import inputs, names, spec, texts

ROWS, LONGEST, BATCH = 700, 60, 10
FEATURES = {
    "number": tf.io.FixedLenFeature([1], tf.int64),
    "review_tokens": tf.io.FixedLenFeature([LONGEST], tf.int64),
    names.LABEL: tf.io.FixedLenFeature([1], tf.int64),
}
LENGTHS = np.random.default_rng(0).integers(0, LONGEST + 1, ROWS)


def example(number: int) -> bytes:
    made = tf.train.Example()
    features = made.features.feature
    ids = [3 + number] * LENGTHS[number] + [0] * (LONGEST - LENGTHS[number])
    features["number"].int64_list.value.append(number)
    features["review_tokens"].int64_list.value.extend(ids)
    features[names.LABEL].int64_list.value.append(number % 2)
    return made.SerializeToString()


@pytest.fixture(params=["held in memory", "streamed"], scope="module")
def examples(request, tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "part-0.gz"
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for number in range(ROWS):
            writer.write(example(number))
    held = request.param == "held in memory"
    made = inputs.Examples([str(file)], FEATURES, memory=10**7 if held else 1000)
    assert (made.held is not None) == held
    return made


def batches(examples, epochs, **trainer):
    text = TextFeature(length=LONGEST)
    known = {
        "number": spec.InputSpec((1,), "int64"),
        "review_tokens": spec.InputSpec((None,), "int64", ROWS + 3, text=text),
    }
    label = spec.LabelSpec(ROWS, ("even", "odd"), (ROWS // 2, ROWS // 2))
    chosen = spec.ModelSpec.of_one(known, "binary", label, Trainer(batch_size=BATCH, **trainer))
    return list(inputs.make_dataset(None, chosen, examples, epochs).as_numpy_iterator())


def numbers(made):
    return [x["number"].ravel().tolist() for x, *_ in made]


def test_an_epoch_has_every_row_once_and_whole(examples):
    made = batches(examples, range(2))
    assert len(made) == 2 * ROWS // BATCH
    for epoch in (numbers(made[: ROWS // BATCH]), numbers(made[ROWS // BATCH :])):
        assert sorted(itertools.chain(*epoch)) == list(range(ROWS))
    for x, y, *_ in made:
        np.testing.assert_array_equal(y, x["number"] % 2)
        kept = (x["review_tokens"] == 3 + x["number"]).sum(axis=1)
        np.testing.assert_array_equal(kept, LENGTHS[x["number"].ravel()])


def padding(made) -> float:
    ids = [x["review_tokens"] for x, *_ in made]
    return sum((i == 0).sum() for i in ids) / sum(i.size for i in ids)


def test_batches_are_of_like_lengths_and_have_no_more_than_their_longest(examples):
    made = batches(examples, range(1))
    for x, *_ in made:
        longest = LENGTHS[x["number"].ravel()].max()
        assert x["review_tokens"].shape[1] == min(LONGEST, -(-max(longest, 1) // 8) * 8)
    padded = batches(examples, range(1), bucketing=False)
    assert {x["review_tokens"].shape for x, *_ in padded} == {(BATCH, LONGEST)}
    assert padding(made) < 0.15 < 0.45 < padding(padded)


def test_batches_are_others_in_each_epoch_and_come_in_no_order_of_length(examples):
    made = batches(examples, range(2))
    first, second = numbers(made[: ROWS // BATCH]), numbers(made[ROWS // BATCH :])
    assert not {frozenset(batch) for batch in first} & {frozenset(batch) for batch in second}
    longest = [LENGTHS[batch].max() for batch in first]
    falls = np.mean(np.diff(longest) < 0)
    assert 0.3 < falls < 0.7


def test_the_order_follows_seed_and_epoch_alone(examples):
    whole = numbers(batches(examples, range(3), seed=4))
    assert numbers(batches(examples, range(2, 3), seed=4)) == whole[2 * ROWS // BATCH :]
    assert numbers(batches(examples, range(3), seed=5)) != whole


def test_validation_keeps_its_order_and_loses_padding(examples):
    made = batches(examples, None)
    assert list(itertools.chain(*numbers(made))) == list(range(ROWS))
    assert max(x["review_tokens"].shape[1] for x, *_ in made) <= LONGEST


def test_a_batch_of_nothing_keeps_a_few_places():
    none = texts.trimmed({"a": tf.zeros([2, 20], tf.int64), "b": tf.zeros([2, 20])}, ["a"])
    assert none["a"].shape == (2, 8)
    assert none["b"].shape == (2, 20)
    short = texts.trimmed({"a": tf.zeros([2, 5], tf.int64)}, ["a"])
    assert short["a"].shape == (2, 5)


def test_the_longest_of_several_texts_counts():
    rows = {"a": tf.constant([[5, 0, 0], [5, 5, 5]]), "b": tf.constant([[5, 5], [0, 0]])}
    assert texts.lengths(rows, ["a", "b"]).numpy().tolist() == [2, 3]
