"""Pairs of texts that say the same of something, or not."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.trainer_modules.sentences import WORDS
from tests.trainer_modules.tables import LABELS, Row, predicted, trained_as
from trainyard.recipe_schema import Recipe

TYPES = {
    "first": "string",
    "second": "string",
    "yes": "int64",
    "grade": "string",
    "price": "float32",
}


def pairs(rows: int, seed: int = 0) -> list[Row]:
    """Two texts of the same level belong together; words of one text may be in another's."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(rows):
        one, other = int(random.integers(3)), int(random.integers(3))
        other = one if number % 2 else other
        made.append(
            {
                "first": _said(one, random),
                "second": _said(other, random),
                "yes": int(one == other),
                "grade": ("low", "middle", "high")[abs(one - other)],
                "price": 1000.0 + 300.0 * abs(one - other),
            }
        )
    return made


def _said(level: int, random: np.random.Generator) -> str:
    return f"the film is {random.choice(WORDS[level])} and {random.choice(WORDS[level])}"


def recipe(task: str = "binary", **trainer: Any) -> Recipe:
    """A recipe for `pairs`."""
    text = {"kind": "text", "length": 10, "vocabulary": 60}
    features: dict[str, Any] = dict.fromkeys(LABELS.values(), "ignored")
    features |= {"first": text, "second": text}
    sections = {"data": {"path": "unused"}, "features": features} | predicted(task, LABELS)
    made = Recipe.model_validate({"name": "test"} | sections)
    return trained_as(made, **{"module": "siamese", "params": {}} | trainer)
