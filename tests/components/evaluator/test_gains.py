"""Chance does not beat the trivial answer, a model does, by exact and by drawn numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from trainyard.components.evaluator import companions, gains
from trainyard.components.evaluator.score_curves import Scores, scored


def test_the_metrics_are_those_that_a_recipe_may_name():
    assert set(gains.MEASURES) == set(companions.AGAINST_TRIVIAL)


def beyond(measure, labels, predictions, answer, weights=None):
    """The gain beyond chance, and the trivial answer's metric."""
    labels, predictions = np.asarray(labels), np.asarray(predictions, np.float32)
    predictions = predictions[:, np.newaxis] if predictions.ndim == 1 else predictions
    weights = np.ones(len(labels)) if weights is None else weights
    sums = np.sum(
        gains.GainSums(None, None, measure, answer).columns(labels, predictions, weights), 1
    )
    if measure == "auc":
        return gains.of_ranking(
            sums, Scores.merged([Scores.of_rows(*scored(labels, predictions[:, 0], weights))])
        )
    return gains.of_rows(gains.MEASURES[measure], sums)


@pytest.mark.parametrize("right", range(12))
def test_right_answers_alone_are_a_sign_test(right):
    labels = np.array([1] * right + [0] * 20)
    found, trivial = beyond("accuracy", labels, labels, {"class": 0})
    assert trivial == 20 / len(labels)
    exact = 0.5**right  # that all of the rows that differ favour the model
    assert (found > 0) == (exact < 0.0125), (right, found)


def test_the_issues_model_of_three_classes_is_within_chance():
    labels = np.repeat([0, 1, 2], [54, 48, 48])
    guesses = np.random.default_rng(1).permutation(labels)
    predictions = np.eye(3)[guesses]
    accuracy = np.mean(guesses == labels)
    found, trivial = beyond("accuracy", labels, predictions, {"class": 0})
    assert (round(accuracy, 2), trivial) == (0.37, 0.36)
    assert found < 0


def draw(task, skill, count, random):
    """Labels, predictions and trivial answer of a model of some skill."""
    truth = random.normal(size=count)
    seen = skill * truth + math.sqrt(1 - skill**2) * random.normal(size=count)
    if task == "regression":
        return np.exp(truth), np.exp(seen), {"mean": math.exp(0.5), "median": 1.0}
    if task == "binary":
        answer = {"shares": [0.7, 0.3], "class": 0}
        cut = stats.norm.ppf(0.7)
        certain = stats.norm.cdf((skill * seen - cut) / max(math.sqrt(1 - skill**2), 1e-9))
        return (truth > cut).astype(int), certain, answer
    cuts = [-0.3, 0.6]
    predictions = np.eye(3)[np.digitize(seen, cuts)] * 0.7 + 0.1
    return np.digitize(truth, cuts), predictions, {"class": 0, "shares": [0.38, 0.34, 0.28]}


OF_TASK = {
    "binary": ["auc", "accuracy", "log_loss", "brier"],
    "multiclass": ["accuracy", "log_loss"],
    "regression": ["mae", "mse", "rmse", "r2"],
}
MEASURES = [(task, measure) for task, some in OF_TASK.items() for measure in some]


@pytest.mark.parametrize(("task", "measure"), MEASURES)
@pytest.mark.parametrize("count", [20, 150, 1000])
def test_chance_passes_in_few_draws_and_skill_in_nearly_all(task, measure, count):
    random = np.random.default_rng(0)
    by_chance = [beyond(measure, *draw(task, 0.0, count, random))[0] > 0 for _ in range(300)]
    assert np.mean(by_chance) <= 0.05
    if count == 1000:
        by_skill = [beyond(measure, *draw(task, 0.9, count, random))[0] > 0 for _ in range(40)]
        assert np.mean(by_skill) >= 0.9


@pytest.mark.parametrize(("task", "measure"), MEASURES)
def test_a_weight_is_a_number_of_rows_only_for_the_metric(task, measure):
    random = np.random.default_rng(2)
    labels, predictions, answer = draw(task, 0.9, 200, random)
    one = beyond(measure, labels, predictions, answer)
    same = beyond(measure, labels, predictions, answer, np.full(200, 7.0))
    assert same == pytest.approx(one)
    only = np.where(np.arange(200) < 3, 1.0, 0.0)  # three rows prove nothing, whatever they say
    assert not beyond(measure, labels, predictions, answer, only)[0] > 0


def test_what_the_trivial_answer_reaches():
    labels = 1.7e9 + np.array([-20.0, 0.0, 20.0, 40.0])
    answer = {"mean": 1.7e9, "median": 1.7e9}
    found = {
        measure: beyond(measure, labels, labels, answer)[1] for measure in OF_TASK["regression"]
    }
    assert found == pytest.approx({"mae": 20, "mse": 600, "rmse": 600**0.5, "r2": 1 - 600 / 500})
    shares = {"shares": [0.75, 0.25]}
    _, loss = beyond("log_loss", [0, 1, -1, 1], [0.5] * 4, shares)
    expected = -(math.log(0.75) + 2 * math.log(0.25) + math.log(1e-15)) / 4
    assert loss == pytest.approx(expected)


def test_no_row_and_no_answer_are_not_a_gain():
    assert all(map(math.isnan, gains.of_rows(gains.MEASURES["mae"], 0.0)))
    assert math.isnan(beyond("mae", [1.0, 2.0], [1.0, 2.0], None)[0])
    assert beyond("accuracy", [0, 0], [0.1, 0.2], {"class": 0})[0] == 0.0  # not above 0
