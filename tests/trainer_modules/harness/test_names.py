"""Names of columns are data: hypothesis makes them."""

from __future__ import annotations

import keyword
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainyard.trainer_modules.harness import names

AWKWARD = [
    *("_lead", "-dash", "größe", "名前", "名", "with space", "a/b", "a.b", "a:b", "a b", "a_b"),
    *("A_B", "a_b_2", "it's", 'say "hi"', "<script>alert(1)</script>", "self", "name", "inputs"),
    *("loss", "label", "label_x", "row_weight", "numeric", "{x}", "100%", "$HOME", "x" * 300),
    *("x" * 299, "prediction", "é", "e\u0301", "`tick`", "new\nline", "\ttab", "back\\slash"),
    *("null", "1.0", "lambda", "Lambda", "column_lambda", "💥", ".", "..", "~", "x_id", "CON"),
]
COLUMNS = st.lists(st.text(min_size=1, max_size=200) | st.sampled_from(AWKWARD), unique=True)
TARGETS = {"label", "row_weight", "label_x", "label_id", "label_id_id", "label_tokens"}


@given(COLUMNS, st.sampled_from(["", "_id", "_tokens"]))
@example(AWKWARD, "_id")
def test_every_column_has_a_key_of_its_own(columns, ending):
    keys = names.keys(columns, ending)
    assert set(keys) == set(columns)
    assert len({key.lower() for key in keys.values()}) == len(columns)
    for key in keys.values():
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", key)  # TensorFlow's own rule, of scopes
        assert len(key.encode()) <= 200
        assert key.lower() not in TARGETS
    assert names.keys(reversed(columns), ending) == keys


@given(COLUMNS)
@example(AWKWARD)
def test_every_column_is_an_argument_of_its_own(columns):
    arguments = names.arguments(columns)
    assert set(arguments) == set(columns)
    assert len({name.lower() for name in arguments.values()}) == len(columns)
    for name in arguments.values():
        assert name.isidentifier() and name.isascii() and name[0].isalpha()
        assert not keyword.iskeyword(name)
        assert name != "self"


@given(st.lists(st.from_regex(r"[a-z0-9][a-z0-9_]{0,20}", fullmatch=True), unique=True))
def test_an_ordinary_name_is_its_own_key(columns):
    ordinary = {name: name for name in columns if not name.startswith(("label", "row_weight"))}
    assert names.keys([*columns, "A b", "_", "a-b", "a B"]).items() >= ordinary.items()


@pytest.mark.parametrize(
    ("columns", "arguments"),
    [
        (["fare", "pickup_hour"], ["fare", "pickup_hour"]),
        (["hours per/week", "hours-per-week"], ["hours_per_week", "hours_per_week_2"]),
        (["A", "a"], ["A", "a_2"]),
        (["a_2", "A", "a"], ["a_2", "A", "a_3"]),
        (["1st", "_x"], ["column_1st", "column__x"]),
        (["class", "self"], ["column_class", "column_self"]),
        (["größe", "gr__e"], ["gr__e_2", "gr__e"]),
    ],
)
def test_arguments_that_tensorflow_takes(columns, arguments):
    assert names.arguments(columns) == dict(zip(columns, arguments, strict=True))


def test_thousands_of_names_of_which_nothing_is_left():
    columns = [chr(0x4E00 + number) for number in range(20_000)]
    assert len(set(names.keys(columns).values())) == 20_000


@pytest.mark.parametrize("categories", ["embedding", "one_hot"])
@settings(max_examples=2, deadline=None)
@given(columns=st.lists(st.text(min_size=1, max_size=120), min_size=1, max_size=6, unique=True))
@example(columns=AWKWARD)
def test_a_model_can_be_built_and_saved_whatever_its_columns_are_called(
    tmp_path_factory, categories, columns
):
    import keras
    import numpy as np

    from trainyard.recipe_schema import TextFeature, Trainer
    from trainyard.trainer_modules import mlp
    from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec

    text = TextFeature(kind="text")
    inputs = {
        "numeric": InputSpec((3,), "float32"),
        **{key: InputSpec((1,), "int64", 4) for key in names.keys(columns, "_id").values()},
        **{
            key: InputSpec((None,), "int64", 4, text=text)
            for key in names.keys(columns[:3], "_tokens").values()
        },
    }
    label = LabelSpec(10, ("no", "yes"), (5, 5))
    spec = ModelSpec.of_one(inputs, "binary", label, Trainer())
    model = mlp.build_model(mlp.Params(hidden=(2,), categories=categories), spec)
    file = tmp_path_factory.mktemp("model") / "model.keras"
    model.save(file)
    rows = {
        name: np.ones([2, *(3 if size is None else size for size in entry.shape)], entry.dtype)
        for name, entry in inputs.items()
    }
    again = keras.saving.load_model(file)
    np.testing.assert_array_equal(again.predict(rows, verbose=0), model.predict(rows, verbose=0))
