"""Rows with a text whose words say how good something is, and a number and a word beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.trainer_modules.tables import LABELS, Row, predicted, trained_as
from trainyard.recipe_schema import Recipe

TYPES = {
    "review": "string",
    "stars": "float32",
    "kind": "string",
    "yes": "int64",
    "grade": "string",
    "price": "float32",
}
WORDS = (("dull", "awful", "tedious"), ("fine", "okay", "plain"), ("great", "lovely", "moving"))


def sentences(rows: int, seed: int = 0) -> list[Row]:
    """Some of them empty or missing, of any length, with words that training may not have."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(rows):
        level = int(random.integers(3))
        said = [str(random.choice(WORDS[level])) for _ in range(1 + int(random.integers(3)))]
        filler = ["the", "film", "is", f"name{number}", "Ünder", "isn't"]
        random.shuffle(filler)
        words = [*filler[: int(random.integers(7))], *said, "."]
        text = " ".join(words) if number % 17 else (None, "")[number % 2]
        made.append(
            {
                "review": text,
                "stars": None if number % 7 == 0 else float(random.normal(3, 1)),
                "kind": str(random.choice(["book", "film"])),
                "yes": int(level > 0 if number % 2 else level > 1),
                "grade": ("low", "middle", "high")[level],
                "price": 1000.0 + 300.0 * level,
            }
        )
    return made


def recipe(task: str = "binary", **trainer: Any) -> Recipe:
    """A recipe for `sentences`: the text and what is beside it are inputs."""
    others = dict.fromkeys(LABELS.values(), "ignored")
    features = {"review": {"kind": "text", "length": 12, "vocabulary": 60}}
    sections = {"data": {"path": "unused"}} | predicted(task, LABELS)
    made = Recipe.model_validate({"name": "test", "features": features | others} | sections)
    return trained_as(made, **{"module": "text_classifier", "params": {}} | trainer)
