"""What the columns of predictions are called, whatever inputs, heads and classes are called."""

from __future__ import annotations

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given

from trainyard.pipeline import prediction_answers
from trainyard.recipe_schema import ONLY
from trainyard.trainer_modules.harness.description import Description, HeadDescription

WORDS = ["prediction", "probability", "2", "a", "model", "income", "_", "."]
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).flatmap(
    lambda words: st.sampled_from(["", "_", "."]).map(lambda between: between.join(words))
)
CLASSES = st.lists(NAMES, min_size=3, max_size=4, unique=True).map(tuple)
HEAD_NAMES = st.sampled_from(["a", "income", "a_probability", "income_probability_2"])


def head(task, classes=()):
    return HeadDescription(task=task, label="label", class_names=classes)


HEADS = st.one_of(
    st.just(head("regression")),
    st.just(head("text")),
    st.just(head("binary", ("1", "2"))),
    CLASSES.map(lambda classes: head("multiclass", classes)),
)


@st.composite
def descriptions(draw):
    several = st.dictionaries(HEAD_NAMES, HEADS, min_size=1)
    heads = draw(st.one_of(HEADS.map(lambda one: {ONLY: one}), several))
    plain = prediction_answers.names(Description(heads=heads, inputs={}))
    inputs = draw(st.sets(st.one_of(NAMES, st.sampled_from(plain)), max_size=6))
    return Description(heads=heads, inputs=dict.fromkeys(inputs, "int64"))


@given(descriptions())
def test_a_name_means_one_thing(told):
    """It is no input's, no other answer's, and says nothing of a class that there is not."""
    found = prediction_answers.names(told)
    assert len(set(found)) == len(found)
    assert told.inputs.keys().isdisjoint(found)
    expected = [
        (name, word)
        for name, each in told.heads.items()
        for word in [
            "prediction",
            *(["probability"] if each.task == "binary" else []),
            *(f"probability_{one}" for one in each.class_names if each.task == "multiclass"),
        ]
    ]
    for column, (name, word) in zip(found, expected, strict=True):
        forms = {word} if name == ONLY else {f"{name}_{word}", f"{name}.{word}"}
        while column not in forms:
            assert column.startswith("model.")
            column = column.removeprefix("model.")


@pytest.mark.parametrize("name", ["prediction", "probability", "likes_prediction"])
def test_in_full_only_where_it_has_to_be(name):
    told = Description(heads={ONLY: head("binary", ("1", "2"))}, inputs={name: "int64"})
    plain = name == "likes_prediction"
    expected = ["prediction", "probability"] if plain else ["model.prediction", "model.probability"]
    assert prediction_answers.names(told) == expected


def test_two_heads_whose_columns_would_be_the_same_have_their_own():
    classes = ("prediction", "none", "some")
    heads = {"a": head("multiclass", classes), "a_probability": head("regression")}
    assert prediction_answers.names(Description(heads=heads, inputs={})) == [
        "model.a.prediction",
        *(f"model.a.probability_{each}" for each in classes),
        "model.a_probability.prediction",
    ]


def test_a_class_called_prediction_is_no_head_on_the_console():
    told = Description(heads={ONLY: head("multiclass", ("a", "prediction", "b"))}, inputs={})
    row = ["a.jpg", "prediction", 0.1, 0.7, 0.2]
    columns = ["path", *prediction_answers.names(told)]
    batch = pa.RecordBatch.from_pydict({n: [v] for n, v in zip(columns, row, strict=True)})
    assert list(prediction_answers.lines(batch, told)) == ["a.jpg  prediction  0.70"]
