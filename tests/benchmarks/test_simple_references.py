"""Rules on rows whose answers are known."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import simple_references
from trainyard.recipe_schema import Recipe, Series

SERIES = Series(time="day", value="cold", past=20, every="1D")


def rows(values: np.ndarray, start: str) -> pd.DataFrame:
    past = np.lib.stride_tricks.sliding_window_view(values, 20)[:-1]
    days = pd.date_range(start, periods=len(values))[20:]
    return pd.DataFrame(
        {"day": days.strftime("%Y-%m-%d"), "cold": values[20:], "past": past.tolist()}
    )


def test_a_linear_rule_is_found_and_the_better_simple_one_counts():
    random = np.random.default_rng(0)
    values = np.zeros(900)
    for day in range(3, 900):
        values[day] = 0.9 * values[day - 1] - 0.5 * values[day - 3] + random.normal()
    train, judged = rows(values[:600], "2000-01-01"), rows(values[600:], "2001-08-23")
    found = simple_references.forecasts(SERIES, train, judged)
    assert found["linear"] == pytest.approx(1, abs=0.1)
    last = np.array(judged["past"].to_list())[:, -1] - judged["cold"]
    assert 1.2 < found["trivial"] <= np.sqrt(np.mean(last**2))


def test_a_season_is_known_by_the_day_of_the_year():
    days = pd.date_range("2000-01-01", periods=1500)
    noise = np.random.default_rng(0).normal(size=1500)
    values = 20 * np.cos(2 * np.pi * days.dayofyear / 365.25) + noise
    train, judged = rows(values[:1200], "2000-01-01"), rows(values[1200:], days[1200])
    found = simple_references.forecasts(SERIES, train, judged)
    assert found["trivial"] == pytest.approx(np.sqrt(1 + 1 / 3), abs=0.15)  # of three years


def pairs(kind: str, **more: object) -> Recipe:
    feature = {"kind": kind, **more}
    sections = {"data": {"path": "x"}, "label": "same", "task": "binary"}
    features = {"one": feature, "other": feature}
    return Recipe.model_validate({"name": "pairs", "features": features, **sections})


def png(*pixels: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.array([pixels], np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_images_are_alike_by_their_pixels():
    judged = pd.DataFrame(
        {
            "one": [png(0, 0), png(9, 9), png(0, 0), png(200, 0)],
            "other": [png(1, 0), png(9, 8), png(99, 99), png(0, 200)],
            "same": [1, 1, 0, 0],
        }
    )
    recipe = pairs("image", size=[1, 2], channels=1)
    assert simple_references.comparisons(recipe, "same", judged, judged) == {"trivial": 1.0}
    judged["same"] = 1 - judged["same"]
    assert simple_references.comparisons(recipe, "same", judged, judged) == {"trivial": 0.0}


def test_texts_are_alike_by_their_words():
    judged = pd.DataFrame(
        {
            "one": ["a cold night", "good morning", "warm rain"],
            "other": ["the night is cold", "snow", "dry sand"],
            "same": [1, 0, 0],
        }
    )
    assert simple_references.comparisons(pairs("text"), "same", judged, judged)["trivial"] == 1.0
