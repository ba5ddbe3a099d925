from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics

from trainyard.serving.monitor import quality
from trainyard.serving.monitor.quality import Judged


def binary(chance, rows, flipped=0.0, shift=0.0):
    scores = chance.beta(2, 2, rows) * (1 - shift) + shift
    labels = (chance.random(rows) < scores).astype(np.int64)
    labels = np.where(chance.random(rows) < flipped, 1 - labels, labels)
    sexes = pa.array(np.where(np.arange(rows) % 2, b"f", b"m").tolist(), pa.binary())
    return Judged(scores[:, None].astype(np.float32), labels, {"sex": sexes})


def number(chance, rows, off=0.0):
    labels = chance.normal(10, 3, rows)
    answers = (labels + chance.normal(off, 1, rows)).astype(np.float32)[:, None]
    return Judged(answers, labels, {})


def classes(chance, rows, flipped=0.0):
    answers = chance.dirichlet([1.0, 1.0, 1.0], rows).astype(np.float32)
    labels = np.array([chance.choice(3, p=p / p.sum()) for p in answers.astype(float)])
    labels = np.where(chance.random(rows) < flipped, (labels + 1) % 3, labels)
    return Judged(answers, labels, {})


def test_metrics_are_those_that_everybody_computes(chance):
    part = binary(chance, 500)
    scores, labels = part.answers[:, 0].astype(float), part.labels
    chosen = scores > 0.5
    expected = {
        "auc": metrics.roc_auc_score(labels, scores),
        "accuracy": metrics.accuracy_score(labels, chosen),
        "precision": metrics.precision_score(labels, chosen),
        "recall": metrics.recall_score(labels, chosen),
        "log_loss": metrics.log_loss(labels, scores),
        "brier": metrics.brier_score_loss(labels, scores),
    }
    found = {name: quality.estimate(name, part).value for name in expected}
    assert found == pytest.approx(expected, abs=1e-6)
    part = number(chance, 500)
    off = part.answers[:, 0] - part.labels
    assert quality.estimate("mae", part).value == pytest.approx(np.abs(off).mean())
    assert quality.estimate("rmse", part).value == pytest.approx(np.sqrt((off**2).mean()))
    part = classes(chance, 300)
    assert quality.estimate("log_loss", part).value == pytest.approx(
        metrics.log_loss(part.labels, part.answers.astype(float)), abs=1e-5
    )
    assert quality.estimate("accuracy", part).value == pytest.approx(
        np.mean(part.answers.argmax(axis=1) == part.labels)
    )


@pytest.mark.parametrize("metric", ["auc", "accuracy", "precision", "recall", "log_loss", "brier"])
def test_the_standard_error_is_that_of_many_samples(metric, chance):
    found = [quality.estimate(metric, binary(chance, 400))[:2] for _ in range(300)]
    values, errors = np.array(found).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.15)


@pytest.mark.parametrize("metric", ["mae", "mse", "rmse"])
def test_the_standard_error_of_numbers_too(metric, chance):
    values, errors = np.array(
        [quality.estimate(metric, number(chance, 400))[:2] for _ in range(300)]
    ).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.15)


def test_what_rows_do_not_define_is_left_out(chance):
    part = binary(chance, 40)
    one_class = Judged(part.answers, np.zeros(40, np.int64), part.columns)
    assert quality.estimate("auc", one_class) is None
    assert quality.estimate("recall", one_class) is None


def test_worse_answers_are_noticed_on_all_rows_and_on_slices(chance):
    before, now = binary(chance, 1500), binary(chance, 1000, flipped=0.5)
    found = list(quality.of_quality("", ["auc", "accuracy"], [("sex",), ("zone",)], before, now))
    assert {each.slice for each in found} == {"", "sex = f", "sex = m"}
    assert all(each.p_value < 1e-3 and each.beyond > 0.05 for each in found)
    same = quality.of_quality("tip", ["auc"], [], before, binary(chance, 1000))
    (same,) = same
    assert (same.column, same.reference) == ("tip_auc", quality.estimate("auc", before).value)
    assert same.p_value > 1e-3


def test_two_positives_that_are_missed_are_no_alarm(chance):
    before = binary(chance, 1500)
    few = Judged(np.full((40, 1), 0.1, np.float32), np.array([1, 1] + [0] * 38), {})
    (found,) = quality.of_quality("", ["recall"], [], before, few)
    assert (found.measured, found.beyond > 0.5) == (0.0, True)
    assert found.p_value > 0.01
    assert list(quality.of_quality("", ["auc"], [], before, few)) == []


def test_better_answers_are_no_alarm(chance):
    (found,) = quality.of_quality("", ["mae"], [], number(chance, 500, off=3), number(chance, 500))
    assert found.beyond < 0
    assert found.p_value > 0.9


def test_errors_in_numbers_count_as_a_share(chance):
    (found,) = quality.of_quality("", ["mae"], [], number(chance, 900), number(chance, 900, off=1))
    assert found.beyond == pytest.approx(found.measured / found.reference - 1)
    assert found.p_value < 1e-6


@pytest.mark.parametrize(
    ("task", "make", "change"),
    [
        ("binary", binary, {"flipped": 0.4}),
        ("multiclass", classes, {"flipped": 0.3}),
        ("regression", number, {"off": 1.0}),
    ],
)
def test_labels_that_mean_something_else_are_concept_drift(task, make, change, chance):
    before = make(chance, 1500)
    (moved,) = quality.of_concept("", task, before, make(chance, 1000, **change))
    assert moved.p_value < 1e-6
    assert moved.measured > 0.05
    (same,) = quality.of_concept("", task, before, make(chance, 1000))
    assert same.p_value > 1e-3


def two_answers(chance, rows, often):
    scores = np.where(chance.random(rows) < often, 0.9, 0.1)
    return Judged(scores[:, None], (chance.random(rows) < scores).astype(np.int64), {})


def test_few_labels_that_all_mean_something_else(chance):
    """A model that is sure of a third of its rows: they have a bin, and the others enough."""
    scores = np.where(chance.random(110) < 0.3, 1.0, chance.beta(0.1, 0.1, 110))
    before = Judged(scores[:, None], (scores > 0.5).astype(np.int64), {})
    now = Judged(before.answers[:60], 1 - before.labels[:60], {})
    (found,) = quality.of_concept("", "binary", before, now)
    assert found.beyond > 0.9
    assert found.p_value < 1e-6


def test_an_answer_that_becomes_frequent_is_no_concept_drift(chance):
    # All tenths of training's answers are 0.1: both answers were in one bin.
    parts = two_answers(chance, 5000, often=0.05), two_answers(chance, 1000, often=0.5)
    (found,) = quality.of_concept("", "binary", *parts)
    assert found.beyond < 0.05


def test_other_rows_with_the_same_concept_are_no_concept_drift(chance):
    before, now = binary(chance, 3000), binary(chance, 2000, shift=0.3)
    (found,) = quality.of_concept("", "binary", before, now)
    assert found.p_value > 1e-3


def test_few_rows_are_not_judged(chance):
    few, many = binary(chance, 20), binary(chance, 200)
    assert list(quality.of_quality("", ["auc"], [("sex",)], many, few)) == []
    assert list(quality.of_concept("", "binary", many, few)) == []


def test_a_slice_is_called_as_the_evaluator_calls_it_whatever_type_its_column_has(chance):
    trained = pa.array(np.tile(np.float32([0.1, 30, np.nan]), 100))
    asked = pa.array(np.tile([0.1, 30, np.nan], 100))  # 64 bits, as JSON has them
    before, now = (
        Judged(part.answers, part.labels, {"ratio": column})
        for part, column in ((number(chance, 300), trained), (number(chance, 300), asked))
    )
    found = quality.of_quality("", ["mae"], [("ratio",)], before, now)
    assert [each.slice for each in found] == ["", "ratio = 0.1", "ratio = 30"]
