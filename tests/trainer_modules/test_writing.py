"""Modules that write text, through run_fn, export and what is served, for real."""

from __future__ import annotations

import json
import shutil
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer_modules.phrases import LENGTH, phrases
from tests.trainer_modules.tables import serialize
from trainyard.components.pusher import contract
from trainyard.errors import ContractError, RecipeError
from trainyard.recipe_schema import TextFeature
from trainyard.trainer_modules import char_lm, registry, seq2seq
from trainyard.trainer_modules.harness import description, export, names, texts, training, writing
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec

CASES = {
    "char_lm": {"units": 32, "depth": 2},
    "seq2seq": {"units": 24, "embedding_dimension": 16, "dropout": 0.0},
}
OPTIONS = {
    "length": tf.constant(LENGTH),
    "temperature": tf.constant(0.0),
    "top_k": tf.constant(0),
    "top_p": tf.constant(1.0),
    "seed": tf.constant(1, tf.int64),
    "beams": tf.constant(1),
}


def short(count: int, seed: int) -> list[dict[str, Any]]:
    """Phrases of which Transform cuts nothing off."""
    return [row for row in phrases(count, seed) if len(row["phrase"]) <= LENGTH]


class Pushed:
    """A training that has ended; the SavedModel has been moved, as a push does."""

    def __init__(self, made: Any, run: Any) -> None:
        self.made, self.run = made, run
        self.folder = run / "1"
        self.loaded = tf.saved_model.load(str(self.folder))

    def generate(self, *prompts: str, **options: Any) -> list[str]:
        given = {name: tf.constant(value, OPTIONS[name].dtype) for name, value in options.items()}
        signature = self.loaded.signatures["generate"]
        answer = signature(prompt=tf.constant(prompts), **OPTIONS | given)
        return [text.decode() for text in answer["text"].numpy()]

    def of_rows(self, signature: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        examples = tf.constant([serialize(row) for row in rows])
        return {n: t.numpy() for n, t in self.loaded.signatures[signature](examples).items()}


def _pushed(module: str, transformed: Any, tmp_path_factory: Any, **params: Any) -> Pushed:
    run = tmp_path_factory.mktemp(module) / "run"
    made = transformed("text", module)
    settings = {"module": module, "params": CASES[module] | params, "epochs": 12}
    rate = {"name": "adam", "learning_rate": 0.02}
    training.run_fn(made.fn_args(run, **settings, optimizer=rate, early_stopping=None))
    shutil.move(run / "Format-Serving", run / "1")
    return Pushed(made, run)


@pytest.fixture(scope="module")
def translator(transformed, tmp_path_factory):
    return _pushed("seq2seq", transformed, tmp_path_factory)


@pytest.fixture(scope="module")
def speaker(transformed, tmp_path_factory):
    return _pushed("char_lm", transformed, tmp_path_factory)


@pytest.fixture(params=CASES)
def either(request):
    return request.getfixturevalue({"char_lm": "speaker", "seq2seq": "translator"}[request.param])


def test_it_translates_what_it_has_never_seen(translator):
    known = {row["phrase"] for row in translator.made.train}
    rows = [row for row in phrases(300, seed=7) if row["phrase"] not in known]
    written = translator.of_rows("serving_default", rows)[names.PREDICTIONS][:, 0]
    wanted = [row["translated"].encode() for row in rows]
    assert len(rows) > 20
    assert np.mean(written == wanted) > 0.8


def test_it_writes_words_that_there_are(speaker):
    words = set(" ".join(speaker.generate(*["re", "gree", "hou"] * 3, temperature=0.5)).split())
    assert speaker.generate("gree")[0].startswith("n")
    assert len(words & {"red", "green", "sky", "sea", "old", "new", "tree", "house"}) > 3


def test_the_contract_holds_for_texts(either):
    odd = [{"phrase": text} for text in ("", "日本語", "red " * 40, b"bad \xff", "\n", None)]
    difference = contract.check(
        saved_model=either.folder,
        model_run=either.run / "model_run",
        transform_graph=either.made.graph,
        examples=[serialize(row) for row in [*phrases(40, seed=5), *odd]],
    )
    assert difference < 1e-6


def test_other_probabilities_of_the_same_texts_break_the_contract(either, tmp_path):
    model = keras.saving.load_model(either.run / "model_run" / export.MODEL_FILE, compile=False)
    surer = model.get_layer("predictions")
    surer.set_weights([2 * weights for weights in surer.get_weights()])
    model.save(tmp_path / export.MODEL_FILE)
    with pytest.raises(ContractError, match="differs by"):
        contract.check(
            saved_model=either.folder,
            model_run=tmp_path,
            transform_graph=either.made.graph,
            examples=[serialize(row) for row in phrases(40, seed=5)],
        )


def test_other_texts_break_the_contract():
    one = np.array([[b"a"]] * 100, object)
    tie = np.array([[b"b"], *[[b"a"]] * 99], object)
    assert contract.compare(one, tie) == 0
    with pytest.raises(ContractError, match="10 of 100 texts differ"):
        contract.compare(one, np.array([[b"b"]] * 10 + [[b"a"]] * 90, object))


def test_requests_and_rows_have_the_same_answers(either):
    rows = short(8, seed=3)
    by_row = either.of_rows("serving_default", rows)[names.PREDICTIONS][:, 0]
    raw = either.loaded.signatures[export.RAW](phrase=tf.constant([r["phrase"] for r in rows]))
    np.testing.assert_array_equal(raw[names.PREDICTIONS].numpy()[:, 0], by_row)
    length = {"length": 5} if either.folder.parts[-3].startswith("seq2seq") else {}
    asked = either.generate(*(row["phrase"] for row in rows), **length)
    assert asked == [text.decode() for text in by_row]


def test_the_step_is_the_network(either):
    """A token at a time gives the logits that the whole text gave in training."""
    told = description.read(either.folder)
    output = training.tft.TFTransformOutput(str(either.made.graph))
    model = keras.saving.load_model(either.run / "model_run" / export.MODEL_FILE, compile=False)
    writer = writing.of(model, told, output)
    features = output.transform_raw_features(
        tf.io.parse_example(
            [serialize(row) for row in phrases(5, seed=11)], export.raw_parse_spec(output)
        )
    )
    label = writing.trimmed(features[names.LABEL])
    read = {writer.key: features[writer.key]}
    if names.LABEL in model.input:
        whole = model(read | {names.LABEL: label})
    else:
        whole = model({writer.key: label})
        read = {writer.key: tf.zeros_like(label[:, :1])}  # from nothing
    token, state = writer.decoder.begin(read)
    for step in range(label.shape[1]):
        logits, state = writer.decoder.step(token, state)
        there = label[:, step] != texts.PADDING
        np.testing.assert_allclose(logits[there], whole[:, step][there], atol=2e-5)
        token = label[:, step]


def test_likelihoods_are_those_of_the_network(either):
    answers = either.of_rows(names.EVALUATION, short(30, seed=2))
    likelihood, tokens, characters = answers[names.LIKELIHOOD].T
    wanted = [text.decode() for text in answers[names.REFERENCE][:, 0]]
    np.testing.assert_array_equal(characters, [len(text) for text in wanted])
    loss = -likelihood.sum() / tokens.sum()
    history = json.loads((either.run / "model_run" / "history.json").read_text())
    assert (likelihood < 0).all()
    assert loss == pytest.approx(min(history["val_loss"]), rel=0.5)


def test_beams_find_texts_that_are_at_least_as_likely(translator):
    rows = phrases(30, seed=4)
    prompts = [row["phrase"] for row in rows]
    greedy, beam = (translator.generate(*prompts, length=6, beams=n) for n in (1, 4))
    sums = []
    for written in (greedy, beam):
        told = [row | {"translated": text} for row, text in zip(rows, written, strict=True)]
        sums.append(translator.of_rows(names.EVALUATION, told)[names.LIKELIHOOD][:, 0].sum())
    assert sums[1] >= sums[0] - 1e-3


def test_a_seed_decides_what_is_drawn(speaker):
    drawn = [speaker.generate("re", temperature=1.0, seed=seed)[0] for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_attention_looks_at_the_word_that_is_translated(translator):
    answer = translator.loaded.signatures["attention"](prompt=tf.constant(["red sky", "old"]))
    read, written = answer["read"].numpy(), answer["written"].numpy()
    weights = answer["weights"].numpy()
    assert weights.shape == (2, written.shape[1], read.shape[1])
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
    assert list(read[0]) == [b"red", b"sky"]
    assert list(read[1]) == [b"old", b""]
    assert weights[1, 0, 1] < 1e-6  # nothing is read there
    assert answer["text"].numpy()[0].decode() == "SKY RED"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 1_000_000}, "length: expected 1 to 10000"),
        ({"length": 0}, "length"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": np.nan}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"beams": 1000}, "beams: expected 1 to 32"),
    ],
)
def test_limits_are_stated_and_the_model_goes_on(either, options, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        either.generate("red", **options)
    assert either.generate("red", length=3)


def test_a_prompt_of_a_million_characters_is_refused(either):
    with pytest.raises(tf.errors.InvalidArgumentError, match="characters of the prompt"):
        either.generate("a" * 1_000_000)
    assert either.generate("red", length=3)


@pytest.mark.parametrize("prompt", ["", " ", "日本語 ❤️", "\n\n", "zzzz qqqq"])
def test_any_prompt_gets_a_text(either, prompt):
    for options in ({}, {"temperature": 1.0, "top_k": 3, "top_p": 0.9}, {"beams": 3}):
        (text,) = either.generate(prompt, length=7, **options)
        assert "unknown" not in text


def _built(module: Any, **label: Any) -> keras.Model:
    feature = TextFeature(tokens="character", length=9)
    inputs = {"phrase_tokens": InputSpec((None,), "int64", 9, text=feature)}
    spec = LabelSpec(16, **{"text": feature, "vocabulary": tuple("0123abcde")} | label)
    return module.build_model(module.TINY, ModelSpec.of_one(inputs, "text", spec))


def test_a_label_with_other_ids_than_the_text_is_refused():
    assert _built(char_lm)
    with pytest.raises(RecipeError, match="its label is a copy"):
        _built(char_lm, text=TextFeature(tokens="word"))


@pytest.mark.parametrize("attention", ["none", "dot", "additive"])
def test_each_attention_is_in_the_network_or_not(attention):
    params = registry.params(seq2seq, {"attention": attention, "units": 4})
    feature = TextFeature(length=9, markers=True)
    inputs = {"phrase_tokens": InputSpec((None,), "int64", 9, text=feature)}
    label = LabelSpec(16, text=feature, vocabulary=tuple("0123abcde"))
    model = seq2seq.build_model(params, ModelSpec.of_one(inputs, "text", label))
    kinds = {type(layer).__name__ for layer in model._flatten_layers()}
    wanted = {"dot": {"Attention"}, "additive": {"AdditiveAttention"}, "none": set()}[attention]
    assert kinds & {"Attention", "AdditiveAttention"} == wanted
    assert hasattr(seq2seq.Decoder(model), "weights") == (attention != "none")
    ids = np.array([[4, 5, 0], [0, 0, 0]])
    logits = model({"phrase_tokens": ids, "label": ids})
    assert logits.shape == (2, 3, 9)
    assert np.isfinite(logits).all()


def test_a_training_that_is_watched_writes_texts(either):
    watched = json.loads((either.run / "model_run" / "watched.json").read_text("utf-8"))
    first, last = (watched["epochs"][number] for number in ("1", "12"))
    assert len(first) == len(last) == len(watched["rows"])
    assert first != last


def test_the_report_gets_where_the_decoder_looked(translator):
    looks = json.loads((translator.run / "model_run" / writing.LOOKS).read_text("utf-8"))
    assert len(looks) == writing.ROWS
    for look in looks:
        assert len(look["weights"]) == len(look["written"])
        assert {len(shares) for shares in look["weights"]} == {len(look["read"])}
