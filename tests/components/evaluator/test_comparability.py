"""A model in service that cannot be asked what it was trained for is not compared with."""

from __future__ import annotations

import shutil
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tests.components.evaluator.conftest import properties, recipe, serialize
from trainyard.components.evaluator import comparability, omitted
from trainyard.components.evaluator.executor import BeamExecutor, Executor, _without_other
from trainyard.pipeline import evaluation
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description, HeadDescription

INPUTS = {"score": "float32"}
BEFORE = HeadDescription(task="binary", label="label", class_names=("no", "yes"))


@pytest.fixture
def two(material, tmp_path):
    """Makes the material of a candidate and of a baseline that need this and that."""

    def make(before=None, heads=None, now=None):
        folder = tmp_path / "material"
        shutil.copytree(material("binary").folder, folder)
        for name, inputs, head in (
            ("candidate", INPUTS, now or BEFORE),
            ("baseline", INPUTS if before is None else before, heads or BEFORE),
        ):
            saved = folder / name / "Format-Serving"
            description.write(saved, Description(heads={"": head}, inputs=inputs))
        return replace(material("binary"), folder=folder)

    return make


def asked(**section):
    change = [{"metric": "auc", "worse_by": 0.5}]
    bounds = [{"metric": "auc", "min": 0.5}]
    return evaluation.eval_config(recipe("binary", change=change, thresholds=bounds, **section))


def reasons(made):
    return comparability.reasons(made.inputs(baseline=True), properties(asked()))


def head(*classes, task="multiclass", label="label"):
    return HeadDescription(task=task, label=label, class_names=classes)


@pytest.mark.parametrize(
    ("before", "heads", "words"),
    [
        (INPUTS | {"age": "int64"}, None, "it needs 'age', which the data no longer have"),
        (INPUTS | {"word": "int64"}, None, "reads 'word' as int64, and the data now have string"),
        (INPUTS | {"ratio": "int64"}, None, "it reads 'ratio' as int64, and the data now have 0.1"),
        (INPUTS, head("No", "Yes", task="binary"), "its classes of 'label' are 'No', 'Yes', those"),
        (INPUTS, head("yes", "no", task="binary"), "its classes of 'label' are 'yes', 'no', those"),
        (INPUTS, head("no", "yes", task="binary", label="y"), "it predicts 'y', not 'label'"),
    ],
)
def test_what_the_baseline_misses_is_a_reason(two, before, heads, words):
    (reason,) = reasons(two(before, heads))
    assert words in reason


def test_a_label_in_32_bits_is_not_the_one_in_64(two):
    narrow = HeadDescription(task="regression", label="label")
    (reason,) = reasons(two(heads=narrow, now=narrow.model_copy(update={"dtype": "float64"})))
    assert "in 32 bits" in reason


def test_a_label_that_is_text_now_is_a_reason_and_another_number_is_converted(two):
    made = two()
    saved = made.folder / "baseline" / "Format-Serving"
    told = description.read(saved)
    description.write(saved, told.model_copy(update={"kinds": {"label": "text"}}))
    assert reasons(made) == ["it reads 'label' as string, and the data now have int64"]
    description.write(saved, told.model_copy(update={"kinds": {"label": "float"}}))
    assert reasons(made) == []
    assert comparability.changed_types(made.inputs(baseline=True)) == {"label": "float32"}


@pytest.mark.parametrize("before", [INPUTS, INPUTS | {"number": "float32"}, {"word": "string"}])
def test_what_the_rows_have_is_none(two, before):
    assert reasons(two(before)) == []


def test_a_column_that_the_schema_keeps_and_no_row_has(two):
    made = two(INPUTS | {"gone": "float32"})
    with (made.folder / "schema" / "schema.pbtxt").open("a") as file:
        file.write('\nfeature {name: "gone" type: FLOAT}')
    assert reasons(made) == ["it needs 'gone', which has no value in the rows that are judged"]


@pytest.mark.parametrize(
    ("before", "now", "comparable"),
    [
        (("a", "b"), ("a", "b", "c"), True),  # a new class: the baseline cannot answer it
        (("a", "b", "c"), ("a", "b"), True),
        (("a", "b"), ("a", "B"), False),  # respelled
    ],
)
def test_classes_may_come_or_go_but_not_both(two, before, now, comparable):
    assert (reasons(two(heads=head(*before), now=head(*now))) == []) == comparable


@pytest.mark.parametrize("executor", [Executor, BeamExecutor])
def test_a_challenger_is_not_blessed_without_the_comparison_it_was_to_pass(
    two, executor, tmp_path, monkeypatch
):
    monkeypatch.setattr("sys.argv", ["test"])  # Beam would read pytest's own options
    made = two(INPUTS | {"age": "int64"})
    judged = made.judged(executor, asked(), tmp_path / "judged", baseline=True)
    found = omitted.read(judged.evaluation)
    assert found.blocks
    assert found.reasons == ["it needs 'age', which the data no longer have"]
    assert found.model == str(made.folder / "baseline")
    assert judged.blessing_file == ["NOT_BLESSED"]
    assert judged.blessing.get_int_custom_property("blessed") == 0


def test_an_engine_that_does_not_convert_numbers_says_what_to_do(two):
    made = two(INPUTS | {"number": "float32"})
    given = made.inputs(baseline=True), properties(asked())
    assert _without_other(*given, converts=True) == (given[0], None)
    inputs, omission = _without_other(*given, converts=False)
    assert omission.blocks
    assert inputs["baseline_model"] == []
    (reason,) = omission.reasons
    assert "it reads 'number' as float32 (now int64)" in reason
    assert "the Evaluator of `engine: beam` does not convert numbers" in reason
    assert "`engine: local`" in reason
    assert "`data.schema`" in reason


@pytest.mark.parametrize("accepted", [True, False])
def test_it_is_blessed_where_the_recipe_says_so_or_asks_for_no_comparison(
    two, accepted, tmp_path, monkeypatch
):
    from tests.components.evaluator import conftest

    made = two(INPUTS | {"age": "int64"})
    config = asked() if accepted else evaluation.eval_config(recipe("binary", thresholds=[]))
    told = properties(config) | {"without_baseline": int(accepted)}
    monkeypatch.setattr(conftest, "properties", lambda config: told)
    judged = made.judged(Executor, config, tmp_path / "judged", baseline=True)
    assert judged.blessing_file == ["BLESSED"]
    assert not omitted.read(judged.evaluation).blocks


numbers = st.one_of(st.integers(-(2**62), 2**62), st.floats(width=32), st.just(16777217))


@given(numbers)
def test_a_number_is_written_as_another_type_only_if_it_is_the_same_number(value):
    is_whole = isinstance(value, int)
    kind, now = ("float32", np.int64) if is_whole else ("int64", np.float32)
    (lost,) = comparability._is_lost(np.array([value], now), kind)
    same = np.isfinite(value) and int(value) == value == float(np.float32(value))
    assert lost == (not same and not np.isnan(value)) or abs(value) > 2**62
    if same and not lost:
        (made,) = comparability.converted([serialize({"x": [value]})], {"x": kind})
        assert made == serialize({"x": [float(value) if is_whole else int(value)]})


def test_a_model_is_asked_in_its_own_type_of_number(two):
    from trainyard.components.evaluator.models import Model

    made = two()
    spec = asked().model_specs[0]
    rows = [serialize({"score": [2], "label": [1]}), serialize({"label": [0], "score": [-1]})]
    model = Model(made.folder / "baseline" / "Format-Serving", spec, {"score": "float32"})
    same = [serialize({"score": [2.0], "label": [1]}), serialize({"label": [0], "score": [-1.0]})]
    found, expected = (model.judged(examples)[""].predictions for examples in (rows, same))
    np.testing.assert_array_equal(found, expected)
