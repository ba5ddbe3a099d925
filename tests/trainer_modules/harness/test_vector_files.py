"""Word vectors from a file: read, refused, in a model, and among what a training depends on."""

from __future__ import annotations

import numpy as np
import pytest

from trainyard.errors import DataError, RecipeError
from trainyard.recipe_schema import Recipe, TextFeature, Trainer
from trainyard.trainer_modules.harness import embeddings, vector_files
from trainyard.trainer_modules.harness.config import TrainerConfig, TransformConfig
from trainyard.trainer_modules.harness.spec import InputSpec

VOCABULARY = ("[no token]", "[start of text]", "[end of text]", "[unknown token 1]", "good", "né")
GLOVE = "good 1 2.5 -3\nbad 1 1 1\nné 3 0.5 1e-3\n"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "vectors.txt"


@pytest.mark.parametrize("text", [GLOVE, "3 3\n" + GLOVE, GLOVE + "two words 1 2 3\n", GLOVE * 2])
def test_words_of_the_vocabulary_get_their_vectors(file, text):
    file.write_text(text, encoding="utf-8")
    found = vector_files.read(file, VOCABULARY)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[4:], [[1, 2.5, -3], [3, 0.5, 1e-3]])
    np.testing.assert_allclose(found[0], 0)
    np.testing.assert_allclose(found[1:4], [[2, 1.5, -1.4995]] * 3)


@pytest.mark.parametrize(
    ("text", "line", "expected", "received"),
    [
        (GLOVE + "short 1 2\n", 4, "a word and 3 numbers", "short 1 2"),
        (GLOVE.replace("2.5", "x"), 1, "a word and its numbers", "'x'"),
        (GLOVE.replace("2.5", "nan"), 1, "finite numbers", "nan"),
        ("good\n", 1, "a word and 1 number", "good"),
        ("good 1 2 3\n\n", 2, "3 numbers", "-1"),
        ("good 1 2 3\nné 1 2 3 4\n", 2, "3 numbers", "4"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(file, text, line, expected, received):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        vector_files.read(file, VOCABULARY)
    assert caught.value.where == f"{file}, line {line}"
    assert expected in caught.value.expected
    assert received in caught.value.received


def test_another_length_than_asked_for(file):
    file.write_text(GLOVE, encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)expected: 50 numbers.*received: 3"):
        vector_files.read(file, VOCABULARY, 50)


@pytest.mark.parametrize("text", ["", "Good 1 2\nNÉ 3 4\n"])
def test_a_file_without_any_of_the_words(file, text):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="has none of the training texts' tokens"):
        vector_files.read(file, VOCABULARY)


@pytest.mark.parametrize("trainable", [False, True])
def test_a_layer_starts_with_them(file, trainable):
    file.write_text(GLOVE, encoding="utf-8")
    text = TextFeature.model_validate({"embedding": {"file": str(file), "trainable": trainable}})
    entry = InputSpec((None,), "int64", 6, text=text, vocabulary=VOCABULARY)
    layer = embeddings.layer("review_tokens", entry)
    vectors = np.asarray(layer(np.array([[4, 0]])))
    np.testing.assert_allclose(vectors[0], [[1, 2.5, -3], [0, 0, 0]])
    assert bool(layer.trainable_weights) == trainable
    assert np.asarray(layer.compute_mask(np.array([[4, 0]]))).tolist() == [[True, False]]
    with pytest.raises(DataError, match="expected: 8 numbers"):
        embeddings.layer("review_tokens", entry, 8)


def test_without_a_file_vectors_are_learned():
    entry = InputSpec((None,), "int64", 6, text=TextFeature(), vocabulary=VOCABULARY)
    assert embeddings.layer("a", entry).output_dim == 128
    assert embeddings.layer("a", entry, default=7).output_dim == 7
    assert embeddings.layer("a", entry, 9).output_dim == 9


def recipe_with(file) -> Recipe:
    features = {"review": {"kind": "text", "embedding": {"file": str(file)}}}
    data = {"name": "t", "data": {"path": "x"}, "label": "y", "task": "binary"}
    made = Recipe.model_validate(data | {"features": features})
    return made.model_copy(update={"trainer": Trainer(module="text_classifier")})


def test_a_file_that_is_not_there_is_named_with_its_key(tmp_path):
    with pytest.raises(RecipeError, match="no such file of word vectors") as caught:
        vector_files.files(recipe_with(tmp_path / "none.txt").features)
    assert caught.value.where == "features.review.embedding.file"


def test_a_training_depends_on_the_content_and_transform_does_not(file, tmp_path):
    digests, transforms = set(), set()
    for text in (GLOVE, GLOVE, GLOVE.replace("2.5", "2.6")):
        file.write_text(text, encoding="utf-8")
        digests.add(TrainerConfig.of(recipe_with(file)).custom_config(tmp_path)["files"])
        transforms.add(TransformConfig.of(recipe_with(file)).model_dump_json())
    transforms.add(TransformConfig.of(recipe_with(tmp_path / "other.txt")).model_dump_json())
    assert len(digests) == 2
    assert len(transforms) == 1
