"""A series of measurements with a season: rows with the values before them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.trainer_modules.tables import LABELS, Row, predicted, trained_as
from trainyard.recipe_schema import Recipe

PAST = 8
TYPES = {"past": "float32", "yes": "int64", "grade": "string", "price": "float32"}


def measurements(rows: int, seed: int = 0) -> list[Row]:
    """In the order of time, with a break in the middle, after which the series begins anew."""
    random = np.random.default_rng(seed)
    half = rows // 2
    parts = [_wave(count + PAST, random) for count in (half, rows - half)]
    return [_row(part, place) for part in parts for place in range(PAST, len(part))]


def _wave(length: int, random: np.random.Generator) -> np.ndarray:
    phase = random.uniform(0, 6) + np.arange(length) / 3
    return (1000 + 300 * np.sin(phase) + 30 * random.normal(size=length)).astype(np.float32)


def _row(values: np.ndarray, place: int) -> Row:
    price = float(values[place])
    return {
        "past": values[place - PAST : place].tolist(),
        "yes": int(price > 1000),
        "grade": ("low", "middle", "high")[int(price > 900) + int(price > 1100)],
        "price": price,
    }


def recipe(task: str = "regression", **trainer: Any) -> Recipe:
    """A recipe for `measurements`."""
    features: dict[str, Any] = dict.fromkeys(LABELS.values(), "ignored")
    features |= {"past": {"kind": "series", "length": PAST}}
    sections = {"data": {"path": "unused"}, "features": features} | predicted(task, LABELS)
    made = Recipe.model_validate({"name": "test"} | sections)
    return trained_as(made, **{"module": "stateful_forecast", "params": {}} | trainer)
