"""The picture of a model's layers."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import keras

from trainyard.trainer_modules.harness import picture

SVG = "{http://www.w3.org/2000/svg}"


def drawing(model):
    root = ElementTree.fromstring(picture.draw(model))
    words = " ".join(text.text or "" for text in root.iter(f"{SVG}text"))
    return words, list(root.iter(f"{SVG}rect")), list(root.iter(f"{SVG}line"))


def test_every_layer_is_a_box_and_every_connection_a_line():
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    joined = keras.layers.Concatenate(name="a<b")([left, right])
    out = keras.layers.Dense(4, name="out")(joined)
    words, boxes, lines = drawing(keras.Model([left, right], out))
    assert (len(boxes), len(lines)) == (4, 3)
    for word in ("left", "a<b", "Dense", "(4,)", "24 parameters"):
        assert word in words


def test_a_wide_model_stays_readable():
    parts = [keras.Input((1,), name=f"column_{i}") for i in range(30)]
    model = keras.Model(parts, keras.layers.Concatenate()(parts))
    words, boxes, _ = drawing(model)
    assert len(boxes) == picture.MOST_IN_A_ROW + 1
    assert "and 22 more" in words


def test_a_sequential_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1), keras.layers.Dense(1)])
    _, boxes, lines = drawing(model)
    assert (len(boxes), len(lines)) == (2, 1)


def test_operations_between_layers_are_passed_through():
    left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right")
    encoder = keras.layers.Dense(3, name="encoder")
    difference = keras.ops.absolute(encoder(left) - encoder(right))
    answer = keras.layers.Dense(1, name="answer")(difference)
    _, boxes, lines = drawing(keras.Model([left, right], answer))
    assert (len(boxes), len(lines)) == (4, 3)  # of the encoder to the answer, one
    tops = {float(box.get("y")) for box in boxes}
    assert len(tops) == 3


def test_words_stay_within_their_box():
    words = keras.Input((None,), name="x" * 28)
    embedding = keras.layers.Embedding(60_000, 64, name="text_tokens_embedding")(words)
    texts = [
        (text.text, float(text.get("font-size")))
        for text in ElementTree.fromstring(picture.draw(keras.Model(words, embedding))).iter(
            f"{SVG}text"
        )
    ]
    assert all(len(text) * size * 0.56 < picture.WIDTH for text, size in texts)
