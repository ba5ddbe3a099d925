"""What is written of some rows after each epoch."""

from __future__ import annotations

import base64
import io
import json
import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainyard.recipe_schema import ImageFeature, Loss, TextFeature, Trainer
from trainyard.trainer_modules.harness import heads, texts, watched
from trainyard.trainer_modules.harness.spec import HeadSpec, InputSpec, LabelSpec, ModelSpec

VOCABULARY = ("[no token]", "[start of text]", "[end of text]", "[unknown token 1]", "good", "bad")
INPUTS = {
    "image": InputSpec((2, 2, 1), "float32", image=ImageFeature(size=(2, 2), channels=1)),
    "review_tokens": InputSpec((None,), "int64", 6, text=TextFeature(), vocabulary=VOCABULARY),
}
KINDS = {
    "binary": HeadSpec("binary", LabelSpec(10, ("no", "yes"), (5, 5))),
    "logits": HeadSpec(
        "binary",
        LabelSpec(10, ("no", "yes"), (5, 5)),
        Loss.model_validate({"name": "binary_crossentropy", "from_logits": True}),
    ),
    "multiclass": HeadSpec("multiclass", LabelSpec(10, ("a", "b", "c"), (4, 3, 3))),
    "regression": HeadSpec("regression", LabelSpec(10, mean=50.0, std=5.0)),
}


def batch(labels):
    inputs = {
        "image": tf.constant(np.linspace(0, 1, 40, dtype=np.float32).reshape(10, 2, 2, 1)),
        "review_tokens": tf.constant([[4, 3, 0]] * 9 + [[0, 0, 0]], tf.int64),
    }
    return inputs, labels


def made(known, labels, tmp_path, **more):
    spec = ModelSpec(INPUTS, known, Trainer())
    inputs = spec.keras_inputs()
    vector = keras.layers.Flatten()(inputs["image"])
    model = heads.compiled(inputs, vector, spec)
    callback = watched.Watch(batch(labels), spec, tmp_path / watched.FILE, **more)
    callback.set_model(model)
    return callback


def record(tmp_path):
    return json.loads((tmp_path / watched.FILE).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("kind", "labels", "actual", "form"),
    [
        ("binary", [[1]] * 10, "yes", r"(no|yes) \d+ %"),
        ("logits", [[1]] * 10, "yes", r"(no|yes) \d+ %"),
        ("multiclass", [[2]] * 10, "c", r"[abc] \d+ %"),
        ("regression", [[51.25]] * 10, "51.25", r"\d+\.?\d*"),
    ],
)
def test_answers_are_in_the_words_of_the_task(kind, labels, actual, form, tmp_path):
    callback = made({"": KINDS[kind]}, tf.constant(labels), tmp_path)
    callback.on_epoch_end(0)
    found = record(tmp_path)
    assert [row["actual"] for row in found["rows"]] == [actual] * watched.ROWS
    assert len(found["epochs"]["1"]) == watched.ROWS
    for answer in found["epochs"]["1"]:
        assert re.fullmatch(form, answer), answer
        assert kind == "regression" or int(answer.split()[1]) >= 33


def test_answers_are_the_models(tmp_path):
    callback = made({"": KINDS["regression"]}, tf.constant([[50.0]] * 10), tmp_path)
    callback.on_epoch_end(3)
    predicted = callback.model(callback.inputs).numpy().ravel()
    assert record(tmp_path)["epochs"]["4"] == [f"{number:.4g}" for number in predicted]


def test_rows_show_what_the_model_is_given(tmp_path):
    callback = made({"": KINDS["binary"]}, tf.constant([[0]] * 10), tmp_path)
    callback.on_epoch_end(0)
    row = record(tmp_path)["rows"][0]
    assert row["texts"] == {"review_tokens": "good [unknown token 1]"}
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(row["images"]["image"]))))
    np.testing.assert_array_equal(pixels, [[0, 7], [13, 20]])
    assert record(tmp_path)["rows"][-1]["texts"] == {"review_tokens": ""}, "the last of ten"


@pytest.mark.parametrize(
    ("ngrams", "markers", "ids"),
    [
        (1, False, [4, 5, 4, 0]),
        (2, False, [4, 5, 4, 3, 3]),
        (3, False, [4, 5, 4, 3, 3, 3, 0]),
        (2, True, [1, 4, 5, 4, 3, 3, 2]),
    ],
)
def test_of_ngrams_the_single_tokens_are_shown(ngrams, markers, ids):
    feature = TextFeature(ngrams=ngrams, markers=markers)
    single = watched._single(tf.constant([ids], tf.int64), feature)
    words = texts.words(single, tf.constant(VOCABULARY), feature)
    assert words.numpy()[0].decode() == "good bad good"


def test_several_heads_answer_by_their_names(tmp_path):
    known = {"left": KINDS["binary"], "right": KINDS["regression"]}
    labels = {"left": tf.constant([[1]] * 10), "right": tf.constant([[49.5]] * 10)}
    callback = made(known, labels, tmp_path)
    callback.on_epoch_end(0)
    found = record(tmp_path)
    assert found["rows"][0]["actual"] == "left: yes; right: 49.5"
    assert found["epochs"]["1"][0].startswith("left: ")
    assert "; right: " in found["epochs"]["1"][0]


def test_training_that_goes_on_goes_on_with_the_file(tmp_path):
    for epoch in range(2):
        made({"": KINDS["binary"]}, tf.constant([[1]] * 10), tmp_path).on_epoch_end(epoch)
    assert list(record(tmp_path)["epochs"]) == ["1", "2"]


def test_a_module_may_have_its_own_words(tmp_path):
    def words(model, inputs):
        return ["said"] * len(inputs["image"])

    callback = made({"": KINDS["binary"]}, tf.constant([[1]] * 10), tmp_path, worded=words)
    callback.on_epoch_end(0)
    assert record(tmp_path)["epochs"]["1"] == ["said"] * watched.ROWS


def test_text_that_is_to_be_written_is_shown_as_text(tmp_path):
    text = LabelSpec(10, text=TextFeature(), vocabulary=VOCABULARY)
    spec = ModelSpec(INPUTS, {"": HeadSpec("text", text)}, Trainer())
    inputs, labels = batch(tf.constant([[5, 4, 2, 0]] * 10))
    rows = watched.described(inputs, labels, spec)
    assert {row["actual"] for row in rows} == {"bad good"}


def test_a_model_with_a_state_is_not_asked(tmp_path):
    spec = ModelSpec(INPUTS, {"": KINDS["binary"]}, Trainer())
    model = SimpleNamespace(layers=[keras.layers.LSTM(2, stateful=True)])
    assert not watched.of(spec, model, None, tmp_path / watched.FILE)
