from __future__ import annotations

import numpy as np
import pytest

from trainyard.serving.monitor.answers import prediction_drift


@pytest.fixture
def chance():
    return np.random.default_rng(3)


def test_probabilities_of_one_class_are_numbers(chance):
    before, now = chance.beta(2, 5, (2000, 1)), chance.beta(5, 2, (400, 1))
    drift = prediction_drift({"predictions": before}, {"predictions": now})
    assert drift["predictions"].distance > 0.5
    assert drift["predictions"].p_value < 1e-9
    same = prediction_drift({"predictions": before}, {"predictions": before[:400, 0]})
    assert same["predictions"].p_value > 0.01


def test_of_several_classes_their_shares_count_and_how_sure_the_model_is(chance):
    before = chance.dirichlet([5, 5, 5], 2000)
    more_of_one = chance.dirichlet([9, 5, 5], 500)
    surer = chance.dirichlet([0.2, 0.2, 0.2], 500)
    drift = prediction_drift({"kind": before}, {"kind": more_of_one})
    assert drift["kind"].p_value < 1e-6
    drift = prediction_drift({"kind": before}, {"kind": surer})
    assert drift["kind"].p_value > 1e-4
    assert drift["kind (confidence)"].p_value < 1e-9


def test_texts_are_compared_by_their_length():
    before = np.array([[b"a short answer"]] * 300, object)
    now = np.array([b"a very much longer answer than before"] * 100, object)
    assert prediction_drift({"text": before}, {"text": now})["text (length)"].distance == 1


def test_what_one_side_has_not_got_is_left_out(chance):
    assert prediction_drift({"a": chance.normal(size=9)}, {"b": chance.normal(size=9)}) == {}
