"""Text on request: what is asked of the signature, and what a refusal says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from trainyard.errors import DataError, RecipeError
from trainyard.model_store import version_config
from trainyard.pipeline.generate import Wish, generate
from trainyard.recipe_schema import ONLY, TextFeature
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness.description import Description, HeadDescription
from trainyard.trainer_modules.harness.writing import _within

OPTIONS = {
    "length": tf.int32,
    "temperature": tf.float32,
    "top_k": tf.int32,
    "top_p": tf.float32,
    "seed": tf.int64,
    "beams": tf.int32,
}


class Echo(tf.Module):
    """Says what it was asked; a length above 10 it refuses."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "prompt"),
            *(tf.TensorSpec([], kind, name) for name, kind in OPTIONS.items()),
        ]
    )
    def generate(self, prompt, length, temperature, top_k, top_p, seed, beams):
        with tf.control_dependencies(_within(length, 1, 10, "length")):
            told = tf.strings.format(
                "{} {} {} {} {} {}", (length, temperature, top_k, top_p, seed, beams)
            )
            return {"text": prompt + " " + told}


@pytest.fixture
def serving(tmp_path: Path) -> Path:
    echo, folder = Echo(), tmp_path / "serving" / "1"
    tf.saved_model.save(echo, str(folder), signatures={"generate": echo.generate})
    head = HeadDescription(task="text", label="french", text=TextFeature(length=7))
    description.write(folder, Description(heads={ONLY: head}, inputs={"english": "string"}))
    return tmp_path / "serving"


def test_a_wish_reaches_the_model(serving):
    wish = Wish("Où ?", 5, temperature=0.5, top_k=3, top_p=0.25, seed=9, beams=2)
    assert generate(serving, wish) == "Où ? 5 0.5 3 0.25 9 2"


def test_a_text_is_as_long_as_those_of_training_if_nothing_is_said(serving):
    assert generate(serving, Wish("a")) == "a 7 0 0 1 1 1"


def test_a_refusal_is_one_clear_error_and_the_model_goes_on(serving):
    with pytest.raises(DataError) as refused:
        generate(serving, Wish("a", length=1_000_000))
    assert refused.value.where == "length"
    assert refused.value.expected == "1 to 10"
    assert refused.value.received == "1000000"
    assert generate(serving, Wish("a", length=3))


def test_a_model_that_predicts_classes_writes_nothing(serving):
    head = HeadDescription(task="binary", label="label", class_names=("no", "yes"))
    description.write(serving / "1", Description(heads={ONLY: head}, inputs={"age": "float32"}))
    with pytest.raises(RecipeError, match="writes no text"):
        generate(serving, Wish("a"))


def test_the_champion_writes_after_a_rollback_too(serving):
    newer = HeadDescription(task="text", label="french", text=TextFeature(length=9))
    shutil.copytree(serving / "1", serving / "2")
    description.write(serving / "2", Description(heads={ONLY: newer}, inputs={"english": "string"}))
    assert generate(serving, Wish("a")) == "a 9 0 0 1 1 1"
    version_config.label(serving, {"stable": 1, "canary": 2})
    assert generate(serving, Wish("a")) == "a 7 0 0 1 1 1"
    assert generate(serving, Wish("a"), version=2) == "a 9 0 0 1 1 1"


def test_a_version_that_was_not_pushed_is_named(serving):
    with pytest.raises(RecipeError, match="version 3 has not been pushed"):
        generate(serving, Wish("a"), version=3)
