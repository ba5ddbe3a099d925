"""A bound on a slice is checked on that slice only, though TFMA takes 05 and 5 for one number."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.components.evaluator.conftest import recipe, rows
from trainyard.components.evaluator import executor
from trainyard.pipeline import evaluation, findings
from trainyard.pipeline.measured import read_measured

COUNTS = Counter(value for row in rows("binary") for value in row["word"])
FEWER, MORE = sorted(["5", "05"], key=COUNTS.__getitem__)


def judged(material, engine, folder, thresholds, smallest=1):
    import tensorflow_model_analysis as tfma

    bounds = [
        {"metric": "example_count", "slice": {"word": word}, "min": low, "max": high}
        for word, low, high in thresholds
    ]
    section = {"thresholds": bounds, "change": [], "slices": ["word"], "min_slice_size": smallest}
    config = evaluation.eval_config(recipe("binary", **section))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", sys.argv[:1])  # Beam would read pytest's own options
        done = material("binary").judged(getattr(executor, engine), config, folder)
    found = findings.of(read_measured(done.evaluation)[""])
    validation = tfma.load_validation_result(str(done.evaluation))
    return validation, [each for group in found for each in group]


@pytest.fixture(params=["Executor", "BeamExecutor"])
def engine(request):
    return request.param


def test_each_of_two_slices_has_its_own_bound(material, engine, tmp_path):
    exactly = [(word, COUNTS[word], COUNTS[word]) for word in (FEWER, MORE)]
    assert COUNTS[FEWER] < COUNTS[MORE]

    validation, found = judged(material, engine, tmp_path, exactly)

    assert validation.validation_ok
    assert all(each.ok for each in found)
    assert {each.slice: each.value for each in found} == {
        f"word = {word}": COUNTS[word] for word in (FEWER, MORE)
    }


def test_a_slice_with_too_few_rows_is_not_replaced_by_the_other(material, engine, tmp_path):
    validation, found = judged(
        material, engine, tmp_path, [(FEWER, 1, None), (MORE, 1, None)], smallest=COUNTS[MORE]
    )

    assert not validation.validation_ok
    missing = [dict(spec.feature_values) for spec in validation.missing_slices]
    assert missing == [{"word": FEWER}]
    assert {each.slice for each in found if not each.ok} == {f"word = {FEWER}"}
