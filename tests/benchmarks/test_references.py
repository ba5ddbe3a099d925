"""What a recipe's model is held against, on a few examples made here."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from benchmarks import references
from trainyard.recipe_schema import ImageFeature

GREY = ImageFeature(size=(2, 2), channels=1)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def examples(tmp_path):
    """Two examples: an image of four pixels, a digit and a word."""
    folder = tmp_path / "Split-train"
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "a.gz"), "GZIP") as writer:
        for digit, pixels in enumerate(([[0, 51], [102, 255]], [[255, 0], [0, 0]])):
            values = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[png(pixels)])),
                "digit": tf.train.Feature(int64_list=tf.train.Int64List(value=[digit])),
                "word": tf.train.Feature(bytes_list=tf.train.BytesList(value=["é".encode()])),
            }
            writer.write(
                tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()
            )
    return tmp_path


def test_encoded_columns_stay_bytes(examples):
    rows = references.read_split(examples, "train", {"image": GREY})
    assert list(rows["word"]) == ["é", "é"]
    assert rows["image"][0].startswith(b"\x89PNG")


def test_an_image_becomes_a_column_a_pixel(examples):
    rows = references.read_split(examples, "train", {"image": GREY})
    pixels = references._with_pixels(rows, {"image": GREY})
    assert {"digit", "word"} < set(pixels)
    flat = pixels[[f"image_{i}" for i in range(4)]].to_numpy()
    np.testing.assert_allclose(flat, [[0, 0.2, 0.4, 1], [1, 0, 0, 0]], atol=1e-6)


def test_large_images_are_compared_at_a_smaller_size(examples):
    rows = references.read_split(examples, "train", ["image"])
    large = ImageFeature(size=(96, 20), channels=3)
    pixels = references._pixels(rows["image"], large)
    assert pixels.shape == (2, references.PIXELS * 20 * 3)


def test_a_table_is_as_it_was(examples):
    rows = references.read_split(examples, "train", ["image"])[["digit", "word"]]
    assert references._with_pixels(rows, {}).equals(rows)


@pytest.mark.parametrize(
    ("reached", "short"), [(0.97, []), (0.96, ["the linear model"]), (0.94, ["floor", "linear"])]
)
def test_what_was_not_reached_is_told(reached, short):
    goal = references.Goal("accuracy", floor=0.95, linear_slack=0.0, boosted_slack=0.0)
    found = references.Result(goal, reached, trivial=0.1, linear=0.965).shortfalls
    assert len(found) == len(short)
    assert all(word in text for word, text in zip(short, found, strict=True))


def test_texts_are_compared_by_their_words():
    texts = ["good film", "bad film", "good good", "so bad"] * 10
    rows = pd.DataFrame({"text": texts, "kind": ["a", "a", "b", "b"] * 10})
    models = references._models("binary", rows, ["text"])
    linear = models["linear"].fit(rows[["text", "kind"]], ["pos", "neg"] * 20)
    assert list(linear.predict(pd.DataFrame({"text": ["a good one"], "kind": ["b"]}))) == ["pos"]
