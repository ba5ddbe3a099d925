"""What a module is told, and labels that cannot be trained on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trainer_modules.tables import recipe
from trainyard.errors import DataError
from trainyard.recipe_schema import ONLY, Trainer
from trainyard.trainer_modules.harness import labels, spec
from trainyard.trainer_modules.harness.config import TrainerConfig


@pytest.mark.parametrize(
    ("trainer", "epochs", "steps"),
    [({}, 20, 80), ({"epochs": 3}, 3, 12), ({"steps": 9}, 3, 9), ({"steps": 2}, 1, 2)],
)
def test_length(trainer, epochs, steps):
    label = spec.LabelSpec(rows=31)
    made = spec.ModelSpec.of_one({}, "regression", label, Trainer(batch_size=8, **trainer))
    assert (made.steps_per_epoch, made.epochs, made.steps) == (4, epochs, steps)


def head(task):
    return TrainerConfig.of(recipe(task)).heads[ONLY]


@pytest.mark.parametrize(
    ("task", "values", "words"),
    [
        ("binary", [0, 1, labels.UNKNOWN, labels.UNKNOWN], "in 2 of 4 examples"),
        ("regression", [1.0, np.nan, 3.0], "in 1 of 3 examples"),
        ("regression", [1.0, np.inf], "in 1 of 2 examples"),
        ("binary", [], "no examples"),
    ],
)
def test_labels_that_are_missing_or_unknown(task, values, words):
    with pytest.raises(DataError, match=words) as caught:
        spec._check_labels(np.array(values), "eval", head(task))
    assert caught.value.where.startswith("eval")


@pytest.mark.parametrize(
    ("task", "names"),
    [("binary", ("1",)), ("binary", ("a", "b", "c")), ("multiclass", ("a",)), ("binary", ())],
)
def test_a_number_of_classes_that_does_not_fit(task, names):
    with pytest.raises(DataError, match=f"has {len(names)} different values"):
        spec._check_classes(names, head(task))


def test_a_number_of_classes_that_fits():
    spec._check_classes(("a", "b"), head("binary"))
    spec._check_classes(("a", "b", "c"), head("multiclass"))
    spec._check_classes((), head("regression"))


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((3,), "float32", 12),
        ((2, 2), "int64", 32),
        ((), "float32", 4),
        ((None,), "int64", np.inf),
        ((1,), "string", np.inf),
    ],
)
def test_what_a_row_of_an_input_takes(shape, dtype, expected):
    assert spec.InputSpec(shape, dtype).row_bytes == expected


def test_a_constant_regression_label_does_not_divide_by_zero():
    assert spec._label_spec(np.array([2.0, 2.0]), ()).std == 1.0


def test_what_the_labels_are_like():
    made = spec._label_spec(np.array([0, 1, 1, 1]), ("a", "b"))
    assert made.class_counts == (1, 3)
    assert made.positive_rate == 0.75


@pytest.mark.parametrize(
    ("names", "numbers", "expected"),
    [
        (["b", "abc", "ab", "B", "é", "z"], False, ["B", "ab", "abc", "b", "z", "é"]),
        (["10", "9", "-1", "0"], True, ["-1", "0", "9", "10"]),
        (["10", "9", "-1"], False, ["-1", "10", "9"]),
        (["0.5", "-0.25", "1e+30"], True, ["-0.25", "0.5", "1e+30"]),
        ([], False, []),
    ],
)
def test_the_order_of_classes(names, numbers, expected):
    import tensorflow as tf

    dtype = tf.float32 if numbers else tf.string
    order = labels._order(tf.constant(names, tf.string), dtype).numpy()
    assert [names[i] for i in order] == expected
    if not numbers:
        assert expected == sorted(names), "as Python sorts"


@pytest.mark.parametrize(
    ("names", "dtype", "positive", "expected"),
    [
        (["1", "2"], "int64", "2", ["1", "2"]),
        (["1", "2"], "int64", "1", ["2", "1"]),
        (["1", "2"], "int64", "1.0", ["2", "1"]),
        (["0", "1"], "int64", "false", ["1", "0"]),
        (["9007199254740993", "9007199254740992"], "int64", "9007199254740992", None),
        (["0.1", "1e+10"], "float32", "0.1", ["1e+10", "0.1"]),
        (["0.1", "1e+10"], "float32", "10000000000", ["0.1", "1e+10"]),
        (["ok", "fraud"], "string", "fraud", ["ok", "fraud"]),
        (["True", "False"], "string", "false", ["True", "False"]),
        (["2", "2.0"], "string", "2", ["2.0", "2"]),
        (["1", "2"], "int64", "x", ["1", "2"]),
    ],
)
def test_the_positive_value_is_the_last_class(names, dtype, positive, expected):
    import tensorflow as tf

    order = labels._order(tf.constant(names), tf.as_dtype(dtype), positive).numpy()
    assert [names[i] for i in order] == (expected or names)
