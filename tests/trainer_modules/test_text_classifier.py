"""The network's parts, and text through run_fn, export and what is served, for real."""

from __future__ import annotations

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules.sentences import sentences
from tests.trainer_modules.tables import serialize
from trainyard.components.pusher import contract
from trainyard.recipe_schema import ONLY, TextFeature, Trainer
from trainyard.trainer_modules import registry, text_classifier
from trainyard.trainer_modules.harness import description, export, training, watched
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec

TEXT = InputSpec((None,), "int64", 20, text=TextFeature(length=9))
PARAMS = {"embedding": 8, "encoder": {"units": 8, "kernels": [2]}, "dropout": 0.0}


def built(inputs=None, **params) -> keras.Model:
    spec = ModelSpec.of_one(
        inputs or {"review_tokens": TEXT}, "binary", LabelSpec(16, ("no", "yes"), (8, 8)), Trainer()
    )
    return text_classifier.build_model(registry.params(text_classifier, PARAMS | params), spec)


def names(model: keras.Model) -> set[str]:
    return {layer.name for layer in model.layers}


def test_every_parameter_has_its_layer():
    plain = names(built())
    assert not any("dropout" in name or "hidden" in name for name in plain)
    more = names(built(dropout=0.5, hidden=[4, 3], embedding_dropout=0.1))
    assert more - plain == {
        *("dropout", "hidden_1", "hidden_1_dropout", "hidden_2", "hidden_2_dropout"),
        "review_tokens_dropout",
    }


def test_two_texts_have_an_encoder_each():
    model = built({"title_tokens": TEXT, "body_tokens": TEXT})
    shapes = [layer.output.shape for layer in model.layers if "maximum" in layer.name]
    assert shapes == [(None, 8), (None, 8)]
    assert model.get_layer("with_others").output.shape == (None, 16)


def test_numbers_and_categories_are_beside_the_text():
    others = {"kind_id": InputSpec((1,), "int64", 7), "numeric": InputSpec((3,), "float32")}
    model = built({"kind_id": others["kind_id"], "review_tokens": TEXT} | others)
    assert model.get_layer("with_others").output.shape == (None, 8 + 5 + 3)


def test_a_simple_rnn_is_warned_of():
    params = registry.params(text_classifier, {"encoder": {"kind": "simple_rnn"}})
    assert "trainer.params.encoder" in next(text_classifier.warnings(params))
    assert not list(text_classifier.warnings(text_classifier.Params()))


@pytest.fixture(scope="module")
def trained(transformed, tmp_path_factory):
    """A training that has ended; the SavedModel has been moved, as a push does."""
    run = tmp_path_factory.mktemp("trained") / "run"
    made = transformed("multiclass", "text_classifier")
    params = {"embedding": 8, "encoder": {"units": 8, "kernels": [1, 2]}}
    settings = {"module": "text_classifier", "params": params, "epochs": 15}
    rate = {"name": "adam", "learning_rate": 0.01}
    training.run_fn(made.fn_args(run, **settings, optimizer=rate))
    shutil.move(run / "Format-Serving", run / "1")
    return made, run


def test_it_learns_what_the_words_say(trained):
    _, run = trained
    rows = [row for row in sentences(60, seed=5) if row["review"]]
    names = description.read(run / "1").heads[ONLY].class_names
    served = export.Served(run / "1").predictions([serialize(row) for row in rows])
    right = [names[row.argmax()] == given["grade"] for row, given in zip(served, rows, strict=True)]
    assert np.mean(right) > 0.95


def test_some_rows_are_watched_while_it_learns(trained):
    made, run = trained
    record = json.loads((run / "model_run" / watched.FILE).read_text(encoding="utf-8"))
    assert list(record["epochs"]) == [str(number) for number in range(1, 16)]
    rows = [made.held_out[place] for place in np.linspace(0, 59, 8).round().astype(int)]
    assert [row["actual"] for row in record["rows"]] == [row["grade"] for row in rows]
    texts = [row["texts"]["review_tokens"] for row in record["rows"]]
    assert [bool(text) for text in texts] == [bool(row["review"]) for row in rows]
    assert {text.split()[-1] for text in texts if text} == {"."}
    said = [answer.split()[0] for answer in record["epochs"]["15"]]
    assert np.mean([s == row["actual"] for s, row in zip(said, record["rows"], strict=True)]) > 0.7


def test_both_signatures_answer_as_the_training_graph(trained):
    made, run = trained
    odd = [{"review": text} for text in ("", "日本語 ❤️", "unknown " * 40, b"bad \xff", "\n")]
    difference = contract.check(
        saved_model=run / "1",
        model_run=run / "model_run",
        transform_graph=made.graph,
        examples=[serialize(row) for row in [*sentences(20, seed=5), *odd]],
    )
    assert difference <= contract.TOLERANCE


def test_a_client_sends_strings(trained):
    _, run = trained
    raw = tf.saved_model.load(str(run / "1")).signatures[export.RAW]
    answer = raw(
        review=tf.constant(["a lovely, moving film.", "AWFUL", ""]),
        stars=tf.constant([3.0, np.nan, 1.0]),
        kind=tf.constant(["film", "", "never seen"]),
    )
    assert [label.decode() for label in answer["label"].numpy()[:2, 0]] == ["high", "low"]
    rows = [
        {"review": "a lovely, moving film.", "stars": 3.0, "kind": "film"},
        {"review": "AWFUL"},
        {"stars": 1.0, "kind": "never seen"},
    ]
    expected = export.Served(run / "1").predictions([serialize(row) for row in rows])
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-6)


def test_a_row_alone_has_the_answer_that_it_has_among_longer_ones(trained):
    _, run = trained
    served = export.Served(run / "1")
    rows = [serialize(row) for row in sentences(12, seed=9)]
    alone = np.concatenate([served.predictions([row]) for row in rows])
    np.testing.assert_allclose(served.predictions(rows), alone, atol=1e-6)
