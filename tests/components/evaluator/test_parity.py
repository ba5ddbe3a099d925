"""Our Evaluator and stock's write the same results for the same models and rows."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.components.evaluator.conftest import assert_same_slices, labels, recipe, same
from trainyard.components.evaluator import mistakes
from trainyard.pipeline import evaluation
from trainyard.pipeline.measured import read_measured

SLICES = ["word", "number", "ratio", "tags", ["word", "number"], ["tags", "number"]]
ASKED: dict[str, tuple[str, bool, dict[str, Any]]] = {
    "binary, all bounds hold": (
        "binary",
        True,
        {
            "min_slice_size": 5,
            "thresholds": [
                {"metric": "auc", "min": 0.6},
                {"metric": "accuracy", "slice": {"number": 1}, "min": 0.3},
                {"metric": "log_loss", "slice": {"word": "05"}, "max": 2},
                {"metric": "accuracy", "slice": {"ratio": 0.1}, "min": 0.3},
                {"metric": "auc", "beats": "trivial"},
                {"metric": "brier", "beats": "trivial", "slice": {"ratio": 2}},
            ],
            "change": [{"metric": "auc", "worse_by": 0.01}],
        },
    ),
    "binary, bounds fail": (
        "binary",
        True,
        {
            "min_slice_size": 5,
            "thresholds": [
                {"metric": "auc", "min": 0.99},
                {"metric": "auc", "slice": ["number"], "min": 0.1},
                {"metric": "brier", "slice": {"word": "grün"}, "max": 0.0001},
                {"metric": "auc", "slice": {"word": "nowhere"}, "min": 0.1},
            ],
            "change": [
                {"metric": "recall", "worse_by": -0.5},
                {"metric": "brier", "slice": ["word"]},
            ],
        },
    ),
    "binary, no baseline, all slices": (
        "binary",
        False,
        {"min_slice_size": 1, "change": [{"metric": "auc", "worse_by": 0.01}], "thresholds": []},
    ),
    "multiclass": (
        "multiclass",
        True,
        {
            "min_slice_size": 5,
            "thresholds": [
                {"metric": "macro_f1", "min": 0.2},
                {"metric": "accuracy", "beats": "trivial"},
            ],
            "change": [{"metric": "accuracy", "slice": {"number": 2}}],
        },
    ),
    "regression": (
        "regression",
        True,
        {
            "min_slice_size": 5,
            "thresholds": [
                {"metric": "r2", "beats": "trivial"},
                {"metric": "mae", "beats": "trivial"},
            ],
            "change": [],
        },
    ),
    "text": (
        "text",
        True,
        {
            "min_slice_size": 5,
            "thresholds": [
                {"metric": "chrf", "min": 50},
                {"metric": "perplexity", "slice": {"number": 1}, "max": 100},
                {"metric": "exact_match", "slice": ["number"], "min": 0.01},
                {"metric": "exact_match", "beats": "trivial"},
            ],
            "change": [{"metric": "bleu", "worse_by": 1}, {"metric": "bits_per_character"}],
        },
    ),
    "several heads": (
        "heads",
        True,
        {
            "min_slice_size": 5,
            "thresholds": [
                {"metric": "auc", "head": "likes", "min": 0.6},
                {"metric": "macro_f1", "head": "grade", "slice": ["number"], "min": 0.01},
                {"metric": "mae", "head": "price", "max": 50},
            ],
            "change": [{"metric": "rmse", "head": "price", "worse_by": 5}],
        },
    ),
    "several heads, weighted rows": (
        "heads",
        True,
        {
            "weight": "weight",
            "min_slice_size": 5,
            "thresholds": [
                {"metric": "example_count", "head": "grade", "min": 300},
                {"metric": "log_loss", "head": "likes", "max": 5},
                {"metric": "log_loss", "head": "grade", "beats": "trivial"},
                {"metric": "rmse", "head": "price", "beats": "trivial"},
                {"metric": "auc", "head": "likes", "beats": "trivial"},
            ],
        },
    ),
    "binary, weighted rows": (
        "binary",
        True,
        {"weight": "weight", "min_slice_size": 1, "change": [{"metric": "auc", "worse_by": 0.1}]},
    ),
}


@pytest.fixture(scope="module", params=ASKED)
def both(request, material, tmp_path_factory):
    from tfx.components.evaluator import executor as stock_module

    from trainyard.components.evaluator import executor, models

    task, baseline, section = ASKED[request.param]
    of_task = {
        name: [metric for metric, known in evaluation.METRICS.items() if each in known.by_task]
        for name, each in labels(task).items()
    }
    metrics = of_task if task == "heads" else of_task["label"]
    config = evaluation.eval_config(recipe(task, metrics=metrics, slices=SLICES, **section))
    folder = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", sys.argv[:1])  # Beam would read pytest's own options
        # So that states of several blocks are merged.
        patch.setattr(executor, "BLOCK_BYTES", 5000)
        patch.setattr(models, "PREDICT_ROWS", 50)
        stock = material(task).judged(
            executor.BeamExecutor, config, folder / "stock", baseline=baseline
        )
        patch.setattr(stock_module, "Executor", None)  # nothing may fall back here
        ours = material(task).judged(executor.Executor, config, folder / "ours", baseline=baseline)
    return request.param, stock, ours


@pytest.mark.parametrize("kind", ["metrics", "plots", "attributions"])
def test_slices_and_all_their_numbers_are_equal(both, kind):
    _, stock, ours = both
    found = assert_same_slices(kind, ours.evaluation, stock.evaluation)
    assert len(found) > 15


def test_the_validation_is_equal(both):
    import tensorflow_model_analysis as tfma

    name, stock, ours = both
    expected, found = (tfma.load_validation_result(str(j.evaluation)) for j in (stock, ours))
    assert found.validation_ok == expected.validation_ok
    assert found.validation_ok == (name != "binary, bounds fail")
    for repeated in (
        lambda result: result.metric_validations_per_slice,
        lambda result: result.validation_details.slicing_details,
        lambda result: result.missing_slices,
    ):
        # Beam gives the slices in no fixed order.
        one, other = (sorted(map(str, repeated(result))) for result in (found, expected))
        assert len(one) == len(other)
        for ours_text, stock_text in zip(one, other, strict=True):
            assert all(map(same_word, ours_text.split(), stock_text.split()))


def same_word(one: str, other: str) -> bool:
    try:
        return same(float(one), float(other))
    except ValueError:
        return one == other


def test_the_blessing_is_equal(both):
    _, stock, ours = both
    assert ours.blessing_file == stock.blessing_file
    expected = dict(stock.blessing.mlmd_artifact.custom_properties)
    assert dict(ours.blessing.mlmd_artifact.custom_properties) == expected
    assert expected["current_model_id"].int_value == 2


def test_files_and_configuration_are_equal(both):
    name, stock, ours = both
    expected, found = (
        {file.name for file in judged.evaluation.iterdir()} for judged in (stock, ours)
    )
    heads = read_measured(ours.evaluation)
    own = set() if name == "text" else {mistakes.file(head) for head in heads}
    assert found == expected | own
    config = "eval_config.json"
    assert (ours.evaluation / config).read_text() == (stock.evaluation / config).read_text()


def test_the_project_and_tfma_read_it(both):
    import tensorflow_model_analysis as tfma

    _, stock, ours = both
    assert tfma.load_eval_result(str(ours.evaluation)).slicing_metrics
    expected, found = read_measured(stock.evaluation), read_measured(ours.evaluation)
    assert found.keys() == expected.keys()
    for head, measured in found.items():
        assert [part.key for part in measured.slices] == [p.key for p in expected[head].slices]
        assert measured.samples == expected[head].samples
