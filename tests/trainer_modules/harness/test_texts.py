"""Text to ids of tokens and back, alone and through TensorFlow Transform."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from pydantic import ValidationError

from tests.trainer_modules.tables import serialize, transform
from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import ImageFeature, Recipe, TableFeature, TextFeature
from trainyard.trainer_modules.harness import export, inputs, spec, texts
from trainyard.trainer_modules.harness.config import TrainerConfig
from trainyard.trainer_modules.harness.transform import resolve


def tokens(text: str | bytes, **feature) -> list[str]:
    found = texts.tokenize(tf.constant([[text]]), TextFeature(**feature))
    assert found.shape.as_list() == [1, None]
    return [token.decode() for token in found.to_list()[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's good, isn't it?!", ["it's", "good", ",", "isn't", "it", "?", "!"]),
        ("'quoted' rock ’n’ roll", ["'", "quoted", "'", "rock", "’", "n", "’", "roll"]),
        ("ÉCOLE naïve cafe\u0301", ["école", "naïve", "cafe\u0301"]),
        ("no\u00a0break\u2003em\ttab\nline", ["no", "break", "em", "tab", "line"]),
        ("日本語 3.14 a_b", ["日本語", "3", ".", "14", "a", "_", "b"]),
        ("so ❤️ 👩‍👩", ["so", "❤️", "👩\u200d", "👩"]),
        (b"bad \xff bytes", ["bad", "\ufffd", "bytes"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_words(text, expected):
    assert tokens(text) == expected


def test_capital_letters_stay_if_asked_to():
    assert tokens("İstanbul Straße", lower=False) == ["İstanbul", "Straße"]


def test_whitespace_leaves_signs_where_they_are():
    text = "it 's a  film , not\u00a0bad ."
    assert tokens(text, tokens="whitespace") == ["it", "'s", "a", "film", ",", "not", "bad", "."]


def test_characters_and_ends_of_lines():
    found = tokens("Aé\r\n👍 ", tokens="character", lower=False)
    assert found == ["A", "é", "␍", "␤", "👍", " "]


def test_neighbours_are_tokens_too():
    assert tokens("not so bad", ngrams=2) == ["not", "so", "bad", "not so", "so bad"]
    assert tokens("abc", tokens="character", ngrams=3) == ["a", "b", "c", "ab", "bc", "abc"]
    assert tokens("one", ngrams=3) == ["one"]
    assert tokens("", ngrams=3) == []


def test_markers_need_room():
    with pytest.raises(ValidationError, match="at least 3"):
        TextFeature(length=2, markers=True)


VOCABULARY = ["[no token]", "[start of text]", "[end of text]", "[unknown token 1]", "a", "b", "c"]


def ids(text: str, vocabulary=VOCABULARY, **feature) -> list[int]:
    found = texts.ids_by(tf.constant([text]), TextFeature(**feature), vocabulary)
    assert found.dtype == tf.int64
    return found.numpy()[0].tolist()


def test_padding_truncation_and_markers():
    assert ids("a b", length=4) == [4, 5, 0, 0]
    assert ids("a b c a", length=3) == [4, 5, 6]
    assert ids("a b c a", length=3, truncate="start") == [5, 6, 4]
    assert ids("a b", length=5, truncate="start") == [4, 5, 0, 0, 0]
    assert ids("a b", length=6, markers=True) == [1, 4, 5, 2, 0, 0]
    assert ids("a b c a", length=4, markers=True) == [1, 4, 5, 2]
    assert ids("a b c a", length=4, markers=True, truncate="start") == [1, 6, 4, 2]
    assert ids("", length=3) == [0, 0, 0]
    assert ids("", length=3, markers=True) == [1, 2, 0]


def test_unknown_tokens_share_their_buckets():
    assert ids("never a seen", length=3) == [3, 4, 3]
    more = [*VOCABULARY[:4], "[unknown token 2]", "[unknown token 3]", *VOCABULARY[4:]]
    found = ids(" ".join(f"w{n}" for n in range(60)), more, length=60, oov_buckets=3)
    assert set(found) == {3, 4, 5}


def back(row: list[int], vocabulary=VOCABULARY, **feature) -> str:
    found = texts.words(tf.constant([row]), tf.constant(vocabulary), TextFeature(**feature))
    return found.numpy()[0].decode()


def test_ids_to_words():
    assert back([4, 5, 0, 0]) == "a b"
    assert back([1, 4, 3, 2, 5, 6]) == "a [unknown token 1]", "nothing after the end"
    assert back([0, 0]) == ""
    assert back([4, 5, 6, 0], tokens="character") == "abc"


@pytest.mark.parametrize("text", ["First,\nsecond\r\n  done\n", "日本 👍 é", "", " "])
def test_characters_come_back_as_they_were(text):
    feature = TextFeature(tokens="character", lower=False, length=40, markers=True)
    found = texts.tokenize(tf.constant([text]), feature).to_list()[0]
    vocabulary = [*VOCABULARY[:4], *sorted({token.decode() for token in found})]
    numbers = texts.ids_by(tf.constant([text]), feature, vocabulary)
    assert texts.words(numbers, tf.constant(vocabulary), feature).numpy()[0].decode() == text


ROWS = [
    ("the film is good , it's GOOD", "née\n1", 1.0, "x"),
    ("the film is bad", "née", 2.0, "y"),
    ("", None, 3.0, "x"),
    (None, "", None, "x"),
    ("a   b\u00a0the", "\n\n", 5.0, None),
]
NAMES = ("my review", "line", "stars", "kind")
TYPES = {"my review": "string", "line": "string", "stars": "float32", "kind": "string"}
FEATURES = {
    "my review": {"kind": "text", "vocabulary": 4, "oov_buckets": 2, "length": 6},
    "line": {"kind": "text", "tokens": "character", "lower": False, "length": 5, "markers": True},
}


def transformed(folder, features, rows=ROWS):
    data = {"path": "unused"}
    made = {"name": "test", "data": data, "label": "y", "task": "regression", "features": features}
    table = [dict(zip(NAMES, row, strict=True)) | {"y": float(n)} for n, row in enumerate(rows)]
    types = TYPES | {"y": "float32"}
    return transform(Recipe.model_validate(made), folder, table, table[:2], types)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return transformed(tmp_path_factory.mktemp("texts"), FEATURES)


def examples(made, name):
    output = tft.TFTransformOutput(str(made.graph))
    files = inputs.expand([str(made.folder / f"{name}*")])
    return inputs.Examples(files, output.transformed_feature_spec())


def test_transform_writes_ids_beside_the_other_columns(made):
    held = examples(made, "train").held
    assert sorted(held) == ["kind_id", "label", "line_tokens", "my_review_tokens", "numeric"]
    review = held["my_review_tokens"].numpy()
    assert review.shape == (5, 6)
    vocabulary = [
        line.decode()
        for line in tft.TFTransformOutput(str(made.graph)).vocabulary_by_name("my_review_tokens")
    ]
    assert vocabulary == [
        *("[no token]", "[start of text]", "[end of text]"),
        *("[unknown token 1]", "[unknown token 2]"),
        *("the", "is", "good", "film"),
    ], "by frequency; among equals the greater first; the others are too many"
    the, is_, good, film = range(5, 9)
    assert review[0, :4].tolist() == [the, film, is_, good]
    assert set(review[0, 4:]) <= {3, 4}, "the comma and it's; GOOD is one too many"
    assert review[1, :3].tolist() == [the, film, is_]
    assert review[2].tolist() == review[3].tolist() == [0] * 6


def test_characters_through_transform(made):
    output = tft.TFTransformOutput(str(made.graph))
    feature = TextFeature.model_validate(FEATURES["line"])
    vocabulary = texts.vocabulary(output, "line_tokens", feature)
    assert set(vocabulary[4:]) == {"n", "é", "e", "␤", "1"}
    held = examples(made, "train").held["line_tokens"]
    shown = texts.words(held, tf.constant(vocabulary), feature).numpy()
    assert [text.decode() for text in shown] == ["née", "née", "", "", "\n\n"]
    assert held[2].numpy().tolist() == [1, 2, 0, 0, 0]


def test_ids_by_a_vocabulary_are_those_of_transform(made):
    output = tft.TFTransformOutput(str(made.graph))
    held = examples(made, "train").held
    for column, key in texts.keys(made.recipe.features).items():
        feature = made.recipe.features[column]
        vocabulary = texts.vocabulary(output, key, feature)
        values = tf.constant([row[column] or "" for row in made.train])
        np.testing.assert_array_equal(held[key], texts.ids_by(values, feature, vocabulary))


def test_the_loaded_graph_gives_new_texts_the_same_ids(made):
    output = tft.TFTransformOutput(str(made.graph))
    new = ["good bad ugly the", "…", "日本語 the", "the " * 50, ""]
    serialized = [serialize({"my review": text}) for text in new]
    raw = tf.io.parse_example(serialized, export.raw_parse_spec(output))
    found = output.transform_features_layer()(raw)["my_review_tokens"]
    feature = made.recipe.features["my review"]
    vocabulary = texts.vocabulary(output, "my_review_tokens", feature)
    np.testing.assert_array_equal(found, texts.ids_by(tf.constant(new), feature, vocabulary))
    assert set(found.numpy()[1]) <= {0, 3, 4}, "nothing but an unknown token"


def test_the_model_is_told_what_it_takes(made):
    output = tft.TFTransformOutput(str(made.graph))
    config = TrainerConfig.of(made.recipe)
    built = spec.build(config, output, examples(made, "train"), examples(made, "eval"))
    feature = made.recipe.features["my review"]
    told = built.inputs["my_review_tokens"]
    assert (told.shape, told.dtype, told.vocabulary_size) == ((None,), "int64", 9)
    assert (told.text, told.vocabulary[4:6]) == (feature, ("[unknown token 2]", "the"))
    assert built.inputs["my_review_tokens"].row_bytes == 48
    assert set(built.texts) == {"my_review_tokens", "line_tokens"}
    assert built.keras_inputs()["line_tokens"].shape == (None, None)


@pytest.mark.parametrize(
    ("rows", "min_count"), [([("", "", 1.0, "x"), (None, "", 2.0, "y")], 1), (ROWS[:2], 5)]
)
def test_an_empty_vocabulary_is_one_clear_error(tmp_path, rows, min_count):
    review = {"kind": "text", "min_count": min_count}
    made = transformed(tmp_path, {"my review": review}, rows)
    config = TrainerConfig.of(made.recipe)
    output = tft.TFTransformOutput(str(made.graph))
    with pytest.raises(DataError, match=rf"(?s)is empty.*word.*occur {min_count} times") as caught:
        spec.build(config, output, examples(made, "train"), examples(made, "eval"))
    assert caught.value.where == "column my_review"


def test_numbers_are_no_text():
    feature = {"c": TextFeature()}
    with pytest.raises(RecipeError, match=r"(?s)holds numbers and cannot be of the kind text"):
        resolve("c", tf.float32, feature)
    assert resolve("c", tf.string, feature) == TextFeature()


def test_columns_of_one_spelling_get_keys_of_their_own():
    features = {name: TextFeature() for name in ("b/a", "b a", "题", "目")}
    others = {"image": ImageFeature(size=(8, 8)), "number": TableFeature()}
    named = texts.keys(features | others)
    assert named == {
        "b a": "b_a_tokens",
        "b/a": "b_a_2_tokens",
        "目": "column___tokens",
        "题": "column___2_tokens",
    }


def test_a_recipe_names_text_by_its_kind():
    data = {"name": "t", "data": {"path": "x"}, "label": "y", "task": "binary"}
    made = Recipe.model_validate(data | {"features": {"a": "text", "b": {"kind": "text"}}})
    assert (made.features["a"], made.features["b"]) == (TextFeature(), TextFeature())
    assert Recipe.model_validate_json(made.model_dump_json(by_alias=True)) == made
