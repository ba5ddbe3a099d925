"""Phrases and what they are in another language, which is theirs backwards, in capitals."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.trainer_modules.tables import Row, trained_as
from trainyard.recipe_schema import Recipe

TYPES = {"phrase": "string", "continuation": "string", "translated": "string"}
WORDS = ("red", "green", "sky", "sea", "old", "new", "tree", "house")
LENGTH = 20


def phrases(rows: int, seed: int = 0) -> list[Row]:
    """One to four words."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(rows):
        words = [str(word) for word in random.choice(WORDS, 1 + int(random.integers(4)))]
        phrase = " ".join(words)
        other = " ".join(word.upper() for word in reversed(words))
        made.append({"phrase": phrase, "continuation": phrase, "translated": other})
    return made


def recipe(task: str = "text", **trainer: Any) -> Recipe:
    """A recipe for `phrases`: what comes next, or the translation."""
    characters = {"kind": "text", "tokens": "character", "lower": False, "length": LENGTH}
    words = {"kind": "text", "lower": False, "length": 6}
    translates = trainer.get("module") == "seq2seq"
    features = {
        "phrase": words if translates else characters,
        "continuation": "ignored" if translates else characters,
        "translated": words | {"markers": True} if translates else "ignored",
    }
    label: Any = {"name": "continuation", "expression": "phrase"}
    made = Recipe.model_validate(
        {
            "name": "test",
            "data": {"path": "unused"},
            "features": features,
            "label": "translated" if translates else label,
            "task": task,
        }
    )
    return trained_as(made, **{"module": "char_lm", "params": {}} | trainer)
