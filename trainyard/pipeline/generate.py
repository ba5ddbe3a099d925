"""Text on request from a pushed model: `trainyard generate`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainyard.errors import DataError, RecipeError
from trainyard.model_store.versions import pushed
from trainyard.trainer_modules.harness import description

SIGNATURE = "generate"


@dataclass(frozen=True)
class Wish:
    """What is asked of a model that writes.

    Attributes:
        prompt: What it reads.
        length: Tokens at most; None: as many as its training texts have.
        temperature: 0: the most probable token each time.
        top_k: Only so many most probable tokens; 0: all.
        top_p: Only the most probable tokens that together have this share; 1: all.
        seed: The same one gives the same text.
        beams: More than 1: a beam search with so many candidates.
    """

    prompt: str
    length: int | None = None
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 1
    beams: int = 1


def generate(serving: Path, wish: Wish, *, version: int | None = None) -> str:
    """Has a pushed model write.

    Args:
        serving: The recipe's serving directory.
        wish: What is asked.
        version: A pushed version; the champion if None.

    Returns:
        The text.

    Raises:
        RecipeError: No such version has been pushed, or its model writes no text.
        DataError: The model refuses what is asked.
    """
    import tensorflow as tf

    folder = pushed(serving, version)
    writes = description.read(folder).writes
    if writes is None:
        raise RecipeError(
            "this model writes no text",
            where=str(folder),
            expected="a model of the task text, such as char_lm's or seq2seq's",
            hint="`trainyard predict` asks other models",
        )
    loaded = tf.saved_model.load(str(folder))
    length = writes.length if wish.length is None else wish.length
    asked = {
        "prompt": tf.constant([wish.prompt]),
        "length": tf.constant(length, tf.int32),
        "temperature": tf.constant(wish.temperature, tf.float32),
        "top_k": tf.constant(wish.top_k, tf.int32),
        "top_p": tf.constant(wish.top_p, tf.float32),
        "seed": tf.constant(wish.seed, tf.int64),
        "beams": tf.constant(wish.beams, tf.int32),
    }
    try:
        answer = loaded.signatures[SIGNATURE](**asked)
    except tf.errors.InvalidArgumentError as error:
        raise _refused(error) from None
    return str(answer["text"].numpy()[0].decode("utf-8", "replace"))


def _refused(error: Any) -> DataError:
    """What the check in the graph says, without TensorFlow's own words around it."""
    found = re.search(r"\[([\w ]+): expected (.+?), received at most\] \[(.+?)\]", str(error))
    if found is None:
        return DataError("the model cannot answer this", received=str(error)[:200])
    what, expected, received = found.groups()
    return DataError(
        f"the model refuses this: {what}", where=what, expected=expected, received=received
    )
