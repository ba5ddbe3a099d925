"""Which mistakes are kept, and that TFMA's readers do not mind them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from tests.components.evaluator.conftest import recipe
from trainyard.components.evaluator import mistakes
from trainyard.components.evaluator.executor import Executor
from trainyard.pipeline import evaluation
from trainyard.pipeline.measured import read_measured
from trainyard.recipe_schema import ONLY


def kept(labels, predictions, batches=1):
    worst = mistakes.Worst()
    rows = np.array_split(np.arange(len(labels)), batches)
    for part in rows:
        examples = [b"row %d" % row for row in part]
        worst.add(examples, np.array(labels)[part], np.array(predictions, np.float32)[part])
    return worst.found()


def told(found):
    return [(entry.label, entry.prediction, entry.example.decode()) for entry in found.worst]


def test_of_several_classes_the_surest_mistakes_come_first():
    predictions = [[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]]
    found = kept([0, 2, 1, -1], predictions)
    assert told(found) == [(1, 2, "row 2"), (2, 1, "row 1"), (-1, 0, "row 3")]
    assert [entry.probability for entry in found.worst] == pytest.approx([0.8, 0.7, 0.4])
    assert (found.rows, found.wrong) == (4, 3)


def test_of_two_classes_the_probability_is_that_of_the_predicted_one():
    found = kept([0, 1, 1, 0], [[0.6], [0.1], [0.9], [0.5]])
    assert told(found) == [(1, 0, "row 1"), (0, 1, "row 0")]
    assert [entry.probability for entry in found.worst] == pytest.approx([0.9, 0.6])


def test_of_numbers_the_largest_errors_are_kept():
    found = kept([1.0, 5.0, 2.0, np.nan], [[1.0], [2.0], [7.0], [1.0]])
    assert told(found) == [(2, 7, "row 2"), (5, 2, "row 1")]
    assert all(entry.probability is None for entry in found.worst)


@pytest.mark.parametrize("batches", [1, 2, 7, 100])
def test_they_are_few_and_the_same_however_the_rows_are_cut(batches):
    random = np.random.default_rng(0)
    sure = np.round(random.uniform(0.5, 1, 300), 2)  # rounded: some are equal
    predictions = np.stack([sure, 1 - sure], axis=1)
    found = kept(np.ones(300, np.int64), predictions, batches)
    expected = np.argsort(-sure.astype(np.float32), kind="stable")[: mistakes.MOST]
    assert [entry.example for entry in found.worst] == [b"row %d" % row for row in expected]
    assert found.worst[0].probability == pytest.approx(sure.max())
    assert found.wrong == 300


def test_large_examples_are_left_out_before_the_file_grows(monkeypatch):
    monkeypatch.setattr(mistakes, "MOST_BYTES", 11)
    found = kept([1, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    assert [entry.example for entry in found.worst] == [b"row 0", b"row 1"]
    assert found.wrong == 3


def test_the_worst_is_kept_however_large_it_is(monkeypatch):
    monkeypatch.setattr(mistakes, "MOST_BYTES", 1)
    assert len(kept([1, 1], [[0.9, 0.1], [0.8, 0.2]]).worst) == 1


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_an_evaluation_has_them_beside_what_tfma_reads(material, tmp_path, task):
    asked = evaluation.eval_config(recipe(task, metrics=[], min_slice_size=1))
    judged = material(task).judged(Executor, asked, tmp_path)
    found = mistakes.read(judged.evaluation)
    assert found.rows == read_measured(judged.evaluation)[ONLY].overall.candidate["example_count"]
    assert 0 < len(found.worst) <= mistakes.MOST <= found.wrong
    assert all(entry.label != entry.prediction for entry in found.worst)
    assert tfma.load_eval_result(str(judged.evaluation)).slicing_metrics


def test_the_candidate_is_judged_and_not_the_baseline(material, tmp_path):
    asked = evaluation.eval_config(recipe("multiclass", metrics=[], min_slice_size=1))
    alone = material("multiclass").judged(Executor, asked, tmp_path / "alone")
    asked = evaluation.eval_config(recipe("multiclass", metrics=[], min_slice_size=1))
    both = material("multiclass").judged(Executor, asked, tmp_path / "both", baseline=True)
    assert mistakes.read(both.evaluation) == mistakes.read(alone.evaluation)


def test_where_another_executor_wrote_there_are_none(tmp_path):
    assert mistakes.read(tmp_path) is None
