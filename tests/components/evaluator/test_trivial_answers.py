"""The trivial answers are those of the training split's labels, by head and weight."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.components.evaluator.conftest import properties, recipe, rows
from trainyard.components.evaluator import trivial_answers
from trainyard.errors import DataError
from trainyard.pipeline import evaluation

BEATEN = {
    "likes": ["auc", "accuracy", "log_loss", "brier"],
    "grade": ["accuracy", "log_loss"],
    "price": ["mae", "mse", "rmse", "r2"],
}
TRAIN = rows("heads")[:9]  # as `conftest` writes it


def answers(material, weight=None):
    bounds = [
        {"metric": metric, "head": head, "beats": "trivial"}
        for head, metrics in BEATEN.items()
        for metric in metrics
    ]
    config = evaluation.eval_config(recipe("heads", weight=weight, thresholds=bounds))
    asked = properties(config)
    found = json.loads(
        trivial_answers.filled(asked, material("heads").inputs(baseline=False))["eval_config"]
    )
    return {
        (spec["output_names"][0], (told := json.loads(metric["config"]))["name"]): told["answer"]
        for spec in found["metrics_specs"]
        for metric in spec["metrics"]
        if metric["class_name"] == "Gain"
    }


def column(name):
    return np.array([row[name][0] for row in TRAIN], float)


@pytest.mark.parametrize("weight", [None, "weight"])
def test_answers_are_the_training_labels_most_frequent_mean_and_median(material, weight):
    found = answers(material, weight)
    weights = column("weight") if weight else np.ones(9)
    price = column("price")
    assert found["price", "rmse_gain"]["mean"] == pytest.approx(np.average(price, weights=weights))
    median = found["price", "mae_gain"]["median"]
    assert weights[price.astype(np.float32) < median].sum() <= weights.sum() / 2
    assert weights[price.astype(np.float32) <= median].sum() >= weights.sum() / 2
    for head in ("likes", "grade"):
        labels = column(head)
        counts = [weights[labels == index].sum() for index in range(3)]
        shares = found[head, "log_loss_gain"]["shares"]
        assert shares == pytest.approx(counts[: len(shares)] / np.sum(counts))
        assert counts[found[head, "accuracy_gain"]["class"]] == max(counts)
        assert found[head, "accuracy_gain"]["words"].startswith("always answering '")
    assert found["likes", "auc_gain"] == {"words": "a ranking by lot"}


def test_tokens_are_counted_in_all_blocks(monkeypatch, material):
    ids = {b"a": [1, 2, 0], b"b": [2, 2, 5]}
    labels = trivial_answers.TrainingLabels({}, "", "label", "")
    examples = [[b"a", b"b"], [b"b"]]
    monkeypatch.setattr(labels, "_parts", lambda: ((some,) for some in examples))
    monkeypatch.setattr(labels, "_transformed", lambda some: np.array([ids[x] for x in some]))
    assert labels.tokens.tolist() == [0, 1, 5, 0, 0, 2]
    shares = np.array([1, 5, 2]) / 8
    found = trivial_answers._ANSWERS["perplexity"](labels)
    assert found["entropy"] == pytest.approx(-(shares * np.log(shares)).sum())


def test_nothing_is_read_where_no_metric_asks(material):
    asked = properties(evaluation.eval_config(recipe("binary", thresholds=[])))
    assert trivial_answers.filled(asked, {}) is asked


def test_a_training_split_without_labels_is_an_error(material):
    labels = trivial_answers.TrainingLabels(
        material("heads").inputs(baseline=False), "", "tags", ""
    )
    labels._weight = "ratio"
    with pytest.raises(DataError, match="no row with a label 'none'"):
        labels._label = "none"
        labels._types = {"none": labels._types["tags"], "ratio": labels._types["ratio"]}
        list(labels._parts())
