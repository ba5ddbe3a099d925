from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from trainyard.pipeline.registry import comparison
from trainyard.recipe_schema import Rollout
from trainyard.serving.canary_counts import Counts

RULES = Rollout(fewest_requests=200)


def counts(requests=1000, errors=0, milliseconds=2.0, slow=0, slow_milliseconds=20.0):
    made = Counts()
    for _ in range(requests - errors - slow):
        made.add("OK", milliseconds / 1000)
    for _ in range(slow):
        made.add("OK", slow_milliseconds / 1000)
    for _ in range(errors):
        made.add("INTERNAL", 0.001)
    return made


def numbers(rows=200, shift=0.0, seed=0):
    return {"predictions": np.random.default_rng(seed).normal(shift, 1.0, (rows, 1))}


def compare(candidate=None, told=None, champion=None, rules=RULES):
    return comparison.compare(
        rules,
        (1, counts() if champion is None else champion, numbers(seed=1)),
        (2, counts() if candidate is None else candidate, told or numbers(seed=2)),
    )


def broken(found):
    return [rule.rule for rule in found.rules if rule.broken]


def test_versions_that_are_alike_keep_all_rules():
    found = compare()
    assert (found.outcome, broken(found)) == ("promote", [])
    assert len(found.rules) == 3
    assert "0.00% of 1,000 requests" in found.reason


@pytest.mark.parametrize(
    ("candidate", "told", "rule"),
    [
        (counts(errors=60), None, "error_rate"),
        (counts(milliseconds=4.0), None, "latency_ratio"),
        (counts(slow=100), None, "latency_ratio"),
        (None, numbers(shift=0.5, seed=2), "prediction_drift"),
        (
            None,
            comparison.comparable({"predictions": np.full((200, 1), np.nan)}),
            "prediction_drift",
        ),
    ],
)
def test_a_broken_rule_rolls_back_and_is_the_reason(candidate, told, rule):
    found = compare(candidate, told)
    assert (found.outcome, broken(found)) == ("roll back", [rule])
    (sentence,) = [each.sentence for each in found.rules if each.broken]
    assert found.reason == sentence


@pytest.mark.parametrize(
    "told",
    [{"other": np.zeros((200, 1))}, {"predictions": np.zeros(200)}],
    ids=["another name", "another shape"],
)
def test_an_output_that_clients_miss_rolls_back(told):
    found = compare(told=told)
    assert (found.outcome, broken(found)) == ("roll back", ["prediction_drift"])
    assert "predictions is not among its answers" in found.reason


def test_a_difference_that_is_allowed_breaks_nothing():
    loose = Rollout(fewest_requests=1, error_rate=0.1, latency_ratio=3.0, prediction_drift=0.5)
    found = compare(counts(errors=60, milliseconds=4.0), numbers(shift=0.5, seed=2), rules=loose)
    assert found.outcome == "promote"


def test_what_chance_may_have_done_breaks_nothing():
    # One error among 20 is five points more, and means nothing.
    found = compare(counts(20, errors=1), numbers(rows=10, shift=0.4, seed=5))
    assert (found.outcome, broken(found)) == ("wait", [])


def test_a_candidate_that_fails_at_once_is_rolled_back_at_once():
    found = compare(counts(20, errors=15))
    assert found.outcome == "roll back"


def test_too_little_is_told():
    found = compare(counts(150), numbers(rows=29, seed=2))
    assert found.outcome == "wait"
    assert "has answered 150 requests, at least 200" in found.reason
    assert "29 answers of version 2, at least 30" in found.reason
    nothing = compare(Counts(), {"predictions": np.zeros((0, 1))})
    assert nothing.outcome == "wait"
    assert nothing.candidate.p95_ms is None


def test_the_level_of_chance_holds_over_many_alike_trials():
    strict = Rollout(fewest_requests=1, error_rate=0.0, latency_ratio=1.0, prediction_drift=0.0)
    generator = np.random.default_rng(3)
    rolled_back = 0
    for trial in range(200):
        sides = []
        for _ in range(2):
            made = Counts()
            failed = generator.binomial(500, 0.05)
            for seconds in generator.lognormal(-6, 0.5, 500 - failed):
                made.add("OK", seconds)
            for _ in range(failed):
                made.add("INTERNAL", 0.0)
            sides.append(made)
        told = [numbers(100, seed=1000 + 2 * trial + side) for side in (0, 1)]
        found = comparison.compare(strict, (1, sides[0], told[0]), (2, sides[1], told[1]))
        rolled_back += found.outcome == "roll back"
    assert rolled_back <= 200 * 0.03 + 4  # three tests at 1 %, and its standard error twice


def test_texts_count_where_there_are_no_numbers():
    label, scores = np.array([[b"a"]], object), np.ones((1, 2))
    assert comparison.comparable({"label": label, "predictions": scores}).keys() == {"predictions"}
    assert comparison.comparable({"text": label, "image": np.ones((1, 2, 3))}).keys() == {"text"}


def log(answer):
    made = PredictionLog()
    made.predict_log.response.outputs["y"].CopyFrom(tf.make_tensor_proto(answer))
    return made


def test_logged_answers_are_put_together_by_output():
    regressed, classified = PredictionLog(), PredictionLog()
    regressed.regress_log.response.result.regressions.add().value = 3.0
    entry = classified.classify_log.response.result.classifications.add()
    for score in (0.25, 0.75):
        entry.classes.add().score = score
    found = comparison.answers([log([[1.0]]), log([[2.0], [np.nan]]), regressed, classified])
    assert found["y"].tolist() == [[1.0], [2.0], [np.inf]]
    assert found["outputs"].tolist() == [3.0]
    assert found["scores"].tolist() == [[0.25, 0.75]]
    # Another signature may call a table of another width alike.
    assert comparison.answers([log([[1.0]]), log([[1.0, 2.0]])])["y"].shape == (1, 1)


def test_no_more_answers_are_read_than_are_needed(monkeypatch):
    monkeypatch.setattr(comparison, "_MOST_ROWS", 10)
    logs = iter([log([[1.0]] * 4) for _ in range(10)])
    assert len(comparison.answers(logs)["y"]) == 12
    assert len(list(logs)) == 7
