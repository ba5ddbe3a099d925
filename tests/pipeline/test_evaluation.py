import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from trainyard.errors import RecipeError
from trainyard.pipeline import evaluation
from trainyard.pipeline.measured import number, read_measured
from trainyard.recipe_schema import ONLY, Recipe

COLUMNS = ["payment_type", "hour", "fare", "tips"]


def recipe(task: str = "binary", **section: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "taxi",
            "data": {"path": "taxi.csv"},
            "label": "tips",
            "task": task,
            "evaluation": section,
        }
    )


def frame(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, rows)
    predictions = np.clip(0.3 * label + 0.7 * random.random(rows), 0, 1).astype(np.float32)
    return pd.DataFrame(
        {
            "label_xf": label,
            "predictions": predictions,
            "baseline_predictions": (0.9 * predictions).astype(np.float32),
            "payment_type": random.choice(["Cash", "Card", "05"], rows),
            "hour": random.integers(0, 3, rows),
        }
    )


def of_task(task: str) -> list[str]:
    return [name for name, metric in evaluation.METRICS.items() if task in metric.by_task]


def test_checking_needs_no_tfma():
    code = (
        "import sys; from trainyard.pipeline import evaluation;"
        "sys.exit(any(name.startswith('tensorflow') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("section", "task", "words"),
    [
        ({"metrics": ["acuracy"]}, "binary", ["metrics[0]", "'acuracy'", "'accuracy'"]),
        ({"metrics": ["auc", "mae"]}, "binary", ["metrics[1]", "does not fit", "regression"]),
        ({"metrics": ["auc"]}, "regression", ["does not fit", "mae, mse, rmse, r2"]),
        ({"metrics": ["f1"]}, "multiclass", ["does not fit", "macro_f1"]),
        ({"slices": ["paymnt_type"]}, "binary", ["slices[0]", "'payment_type'"]),
        ({"slices": ["hour", ["hour", "fair"]]}, "binary", ["slices[1]", "'fare'"]),
        (
            {"metrics": ["auc"], "thresholds": [{"metric": "accuracy", "min": 0.5}]},
            "binary",
            ["thresholds[0].metric", "not computed", "add accuracy"],
        ),
        (
            {"metrics": ["auc"], "thresholds": [{"metric": "auc", "min": 1.2}]},
            "binary",
            ["thresholds[0].min", "no model", "from 0 to 1", "1.2"],
        ),
        (
            {"metrics": ["mae"], "thresholds": [{"metric": "mae", "max": -1}]},
            "regression",
            ["thresholds[0].max", "0 or more"],
        ),
        (
            {"metrics": ["r2"], "thresholds": [{"metric": "r2", "min": 2}]},
            "regression",
            ["at most 1"],
        ),
        (
            {"metrics": ["auc"], "thresholds": [{"metric": "auc", "min": float("nan")}]},
            "binary",
            ["thresholds[0].min", "nan"],
        ),
        (
            {"metrics": ["auc"], "change": [{"metric": "auc", "worse_by": -1.5}]},
            "binary",
            ["change[0].worse_by", "no model"],
        ),
        (
            {"metrics": ["calibration"], "change": [{"metric": "calibration"}]},
            "binary",
            ["change[0].metric", "min and max"],
        ),
        (
            {"metrics": ["auc"], "change": [{"metric": "auc", "slice": {"hours": 3}}]},
            "binary",
            ["change[0].slice", "'hour'"],
        ),
    ],
)
def test_a_wrong_evaluation_is_one_clear_error(section, task, words):
    with pytest.raises(RecipeError) as caught:
        evaluation.check_metrics(recipe(task, **section), COLUMNS)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_right_evaluation_passes():
    section = {
        "metrics": of_task("binary"),
        "slices": ["hour", ["hour", "payment_type"]],
        "thresholds": [{"metric": "auc", "min": 1.0, "slice": {"hour": 3}}],
        "change": [{"metric": "log_loss", "worse_by": 0.1}],
    }
    evaluation.check_metrics(recipe(**section), COLUMNS)


def test_the_modules_defaults_are_checked_in_place_of_the_recipes():
    with pytest.raises(RecipeError, match="does not fit"):
        evaluation.check_metrics(recipe("regression", metrics=["auc"]), COLUMNS)


def test_every_slice_is_there_once_and_all_rows_first():
    section = {
        "metrics": ["auc"],
        "slices": ["hour", ["payment_type", "hour"], ["hour", "payment_type"]],
        "thresholds": [{"metric": "auc", "min": 0.5, "slice": {"payment_type": "Cash"}}],
    }
    config = evaluation.eval_config(recipe(**section))
    keys = [list(spec.feature_keys) for spec in config.slicing_specs]
    assert keys == [[], ["hour"], ["hour", "payment_type"], ["payment_type"]]


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "0.1"), (True, "1"), (30.0, "30"), (30, "30"), ("30", "30")]
)
def test_a_threshold_names_a_slice_by_its_canonical_text(value, text):
    bound = {"metric": "auc", "min": 0.5, "slice": {"fare": value}}
    config = evaluation.eval_config(recipe(thresholds=[bound]))
    found = [
        dict(spec.feature_values)
        for metric in config.metrics_specs[0].metrics
        for threshold in metric.per_slice_thresholds
        for spec in threshold.slicing_specs
    ]
    assert {"fare": text} in found


def test_a_threshold_on_a_float_holds_or_names_the_nearest_slices(evaluate, tmp_path):
    data = frame().assign(ratio=np.float32([0.1, 2.0, 0.7, 0.25] * 100))
    bounds = [{"metric": "auc", "min": 0.1, "slice": {"ratio": value}} for value in (0.1, 2, "0.7")]
    asked = recipe(metrics=["auc"], slices=["ratio"], thresholds=bounds)
    folder = evaluate(asked, data, tmp_path)
    measured = read_measured(folder / "evaluation")[ONLY]
    assert (folder / "blessing" / "BLESSED").exists()
    names = [part.name for part in measured.slices]
    assert names == ["all rows", "ratio = 0.1", "ratio = 0.25", "ratio = 0.7", "ratio = 2"]
    near = measured.nearest((("ratio", "0.6"),), most=2)
    assert [part.name for part in near] == ["ratio = 0.7", "ratio = 0.25"]


def test_results_of_older_runs_have_numbers_for_slices_and_are_read(tmp_path, monkeypatch):
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.proto.metrics_for_slice_pb2 import MetricsForSlice
    from tensorflow_model_analysis.writers import eval_config_writer

    proto = MetricsForSlice()
    for column, value in (("age", {"int64_value": 30}), ("ratio", {"float_value": 0.1})):
        proto.slice_key.single_slice_keys.add(column=column, **value)
    pair = proto.metric_keys_and_values.add()
    pair.key.name, pair.value.double_value.value = "auc", 0.75
    config = evaluation.eval_config(recipe(metrics=["auc"]))
    monkeypatch.setattr(tfma, "load_metrics", lambda folder: [proto])
    monkeypatch.setattr(eval_config_writer, "load_eval_run", lambda folder: (config,))
    (part,) = read_measured(tmp_path)[ONLY].slices
    assert (part.name, part.candidate) == ("age = 30 and ratio = 0.1", {"auc": 0.75})


@pytest.fixture(scope="session")
def binary(evaluate, tmp_path_factory):
    asked = recipe(
        metrics=of_task("binary"),
        slices=["payment_type", ["payment_type", "hour"]],
        min_slice_size=2,
        thresholds=[{"metric": "auc", "min": 0.6}],
        change=[{"metric": "auc", "worse_by": 0.01}],
    )
    data = frame()
    data.loc[len(data)] = [1, 0.4, 0.4, "rare", 9]
    data.loc[0, ["label_xf", "predictions"]] = [0, 0.0]
    data.loc[1, ["label_xf", "predictions"]] = [1, 1.0]
    folder = evaluate(asked, data, tmp_path_factory.mktemp("binary"), with_baseline=True, pieces=7)
    return data, read_measured(folder / "evaluation")[ONLY], folder


def binary_reference(label: Any, scores: Any) -> dict[str, float]:
    scores = scores.astype(float)
    guesses = scores > 0.5
    return {
        "auc": reference.roc_auc_score(label, scores),
        "auc_pr": reference.average_precision_score(label, scores),
        "accuracy": reference.accuracy_score(label, guesses),
        "precision": reference.precision_score(label, guesses),
        "recall": reference.recall_score(label, guesses),
        "f1": reference.f1_score(label, guesses),
        "log_loss": reference.log_loss(label, scores),
        "brier": reference.brier_score_loss(label, scores),
        "calibration": scores.sum() / label.sum(),
        "example_count": len(label),
    }


def test_binary_metrics_are_those_of_scikit_learn(binary):
    data, measured, _ = binary
    for part in measured.slices:
        rows = data
        for column, value in part.key:
            rows = rows[rows[column].astype(str) == value]
        for name, expected in binary_reference(rows.label_xf, rows.predictions).items():
            assert part.candidate[name] == pytest.approx(expected, abs=1e-6), (part.name, name)


def test_an_area_that_is_not_exact_says_how_far_it_may_be_off(evaluate, tmp_path, monkeypatch):
    from trainyard.components.evaluator import score_curves

    monkeypatch.setattr(score_curves, "MOST_SCORES", 32)
    folder = evaluate(recipe(metrics=["auc", "accuracy"]), frame(), tmp_path)
    overall = read_measured(folder / "evaluation")[ONLY].overall
    value, error = overall.written("auc").split(" ± ")
    exact = reference.roc_auc_score(frame().label_xf, frame().predictions)
    assert abs(float(value) - exact) <= float(error) < 0.1
    assert set(overall.candidate) == {"auc", "accuracy", "example_count"}
    assert "±" not in overall.written("accuracy")


def test_the_baseline_is_read_beside_the_candidate(binary):
    data, measured, _ = binary
    assert measured.has_baseline
    expected = reference.brier_score_loss(data.label_xf, data.baseline_predictions)
    assert measured.overall.baseline["brier"] == pytest.approx(expected, abs=1e-6)


def test_a_rare_slice_is_left_out_and_does_not_stop_the_blessing(binary):
    data, measured, folder = binary
    names = [part.name for part in measured.slices]
    assert "payment_type = Cash" in names
    assert "hour = 0 and payment_type = Cash" in names
    assert not any("rare" in name for name in names)
    assert measured.overall.candidate["example_count"] == len(data)
    assert (folder / "blessing" / "BLESSED").exists()


def test_multiclass_metrics_are_those_of_scikit_learn(evaluate, tmp_path):
    random = np.random.default_rng(3)
    label = random.integers(0, 3, 200)
    scores = random.dirichlet([1, 1, 1], 200)
    scores[np.arange(200), label] += 0.3
    scores = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    data = pd.DataFrame({"label_xf": label, "predictions": list(scores)})
    guesses = scores.argmax(axis=1)
    expected = {
        "accuracy": reference.accuracy_score(label, guesses),
        "macro_f1": reference.f1_score(label, guesses, average="macro"),
        "log_loss": reference.log_loss(label, scores.astype(float)),
        "example_count": 200,
    }
    # a bound equal to the value holds: no float32 rounding in between
    at_bound = [{"metric": "accuracy", "min": expected["accuracy"]}]
    asked = recipe("multiclass", metrics=of_task("multiclass"), thresholds=at_bound)
    folder = evaluate(asked, data, tmp_path, pieces=3)
    measured = read_measured(folder / "evaluation")[ONLY].overall.candidate
    assert measured == pytest.approx(expected, rel=1e-6)
    assert (folder / "blessing" / "BLESSED").exists()


def test_a_class_that_training_did_not_see_counts_as_wrong(evaluate, tmp_path):
    label = np.array([0, 1, 2, -1])
    scores = np.eye(3, dtype=np.float32)[[0, 1, 1, 2]] * 0.8 + np.float32(0.2 / 3)
    data = pd.DataFrame({"label_xf": label, "predictions": list(scores)})
    asked = recipe("multiclass", metrics=of_task("multiclass"))
    measured = read_measured(evaluate(asked, data, tmp_path) / "evaluation")[ONLY].overall.candidate
    guesses = scores.argmax(axis=1)
    assert measured["accuracy"] == 0.5
    assert measured["macro_f1"] == pytest.approx(
        reference.f1_score(label, guesses, average="macro", zero_division=0)
    )
    assert measured["log_loss"] > 8  # the last one has no chance: 34.5 / 4


def test_regression_metrics_are_those_of_scikit_learn_however_the_rows_are_cut(evaluate, tmp_path):
    random = np.random.default_rng(4)
    label = (1e4 + random.normal(0, 3, 150)).astype(np.float32)
    scores = (label + random.normal(1, 1, 150)).astype(np.float32)
    data = pd.DataFrame({"label_xf": label, "predictions": scores})
    asked = recipe("regression", metrics=of_task("regression"))
    measured = read_measured(evaluate(asked, data, tmp_path, pieces=5) / "evaluation")[ONLY]
    true, guessed = label.astype(float), scores.astype(float)
    assert measured.overall.candidate == pytest.approx(
        {
            "mae": reference.mean_absolute_error(true, guessed),
            "mse": reference.mean_squared_error(true, guessed),
            "rmse": reference.mean_squared_error(true, guessed) ** 0.5,
            "r2": reference.r2_score(true, guessed),
            "example_count": 150,
        },
        rel=1e-6,
    )
    sample = measured.samples[evaluation.RESIDUAL_SAMPLE]
    assert sorted(map(tuple, sample)) == sorted(zip(true, guessed, strict=True))


def test_accumulators_merge_exactly():
    # Beam's local runner seldom merges, a cluster always does.
    from trainyard.components.evaluator import exact_metrics as exact

    one, three = exact.Moments(1, 2.0, 0.0, 10.0, 100.0), exact.Moments(3, 6.0, 8.0, 0.0, 0.0)
    combiner = exact._MomentsCombiner(None, None)
    merged = combiner.merge_accumulators((one, three))
    assert merged == exact.Moments(4, 5.0, 20.0, 10.0, 100.0)
    loss = exact._MeanLogLoss("key", None)
    parts = [exact.Pending(np.array(sums), []) for sums in ((1, 10.0), (3, 2.0))]
    assert loss.extract_output(loss.merge_accumulators(parts)) == {"key": 3.0}
    sample = exact._SmallestChecksums("key", None, size=2)
    assert sample.merge_accumulators(([(5, 0.0, 0.0)], [(1, 1.0, 1.0), (2, 2.0, 2.0)])) == [
        (1, 1.0, 1.0),
        (2, 2.0, 2.0),
    ]


@pytest.mark.parametrize(
    ("value", "apart", "written"),
    [
        (0.912345, None, "0.9123"),
        (0.8, 0.8, "0.8"),
        (0.79996, 0.8, "0.79996"),
        (0.7999999, 0.8, "0.7999999"),
        (1234567.8, None, "1,234,568"),
        (1234567.8, 1234568, "1,234,567.8"),
        (0.0, None, "0"),
        (-0.05, None, "-0.05"),
        (1.234e-7, None, "1.234e-07"),
        (float("nan"), None, "undefined"),
        (float("inf"), None, "inf"),
    ],
)
def test_numbers_are_short_but_never_look_like_the_bound(value, apart, written):
    assert number(value, apart) == written
