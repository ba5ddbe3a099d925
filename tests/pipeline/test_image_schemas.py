"""What the curated schemas of image data sets let through, and what the gate says of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from sklearn.datasets import load_digits

from trainyard.components.gate import anomalies
from trainyard.pipeline import schema_inference, schemas
from trainyard.recipe_schema import Gate, Recipe

SCHEMAS = Path(__file__).parents[2] / "schemas"
SIZES = {"digits": 8, "mnist": 28}

Pixels = np.ndarray


def images_of(size: int) -> Pixels:
    """Real digits, larger by whole pixels on a black ground, uint8 `[N, H, W, 1]`."""
    pixels = np.rint(load_digits().images[:200] * 255 / 16).astype(np.uint8)
    larger = pixels.repeat(size // 8, axis=1).repeat(size // 8, axis=2)
    room = size - larger.shape[1]
    before = room // 2
    return np.pad(larger, [(0, 0), *[(before, room - before)] * 2])[..., None]


def findings(name: str, pixels: Pixels, digits: Pixels, folder: Path) -> dict[str, set[str]]:
    """What stops a run, by column: the kinds of anomalies."""
    flat = list(pixels.reshape(len(pixels), -1))
    pd.DataFrame({"image": flat, "digit": digits}).to_parquet(folder / "rows.parquet")
    shape = list(pixels.shape[1:])
    data = {"path": str(folder / "rows.parquet"), "format": "parquet", "images": {"shape": shape}}
    recipe = Recipe.model_validate(
        {"name": "r", "data": data, "label": "digit", "task": "multiclass"}
    )
    schema = schemas.load(str(SCHEMAS / f"{name}.pbtxt"))
    statistics = schema_inference._statistics(recipe)
    split = anomalies.SplitStatistics("train", statistics)
    validated = tfdv.validate_statistics(statistics, schema)
    found: dict[str, set[str]] = {}
    for each in [
        *anomalies.of_presence(schema, split),
        *anomalies.from_tfdv(validated, schema, split),
    ]:
        assert each.kind in Gate().stop_on
        found.setdefault(each.column, set()).add(each.kind)
    return found


def as_they_are(pixels: Pixels) -> Pixels:
    return pixels


def one_dark_on_bright(pixels: Pixels) -> Pixels:
    return np.concatenate([255 - pixels[:1], pixels[1:]])


def one_empty(pixels: Pixels) -> Pixels:
    return np.concatenate([0 * pixels[:1], pixels[1:]])


def wider(pixels: Pixels) -> Pixels:
    return np.pad(pixels, [(0, 0), (0, 0), (2, 2), (0, 0)])


def coloured(pixels: Pixels) -> Pixels:
    return np.concatenate([pixels, pixels // 2, pixels // 3], axis=-1)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(
    ("change", "columns"),
    [
        (as_they_are, set()),
        (one_dark_on_bright, {"image_brightness"}),
        (one_empty, {"image_brightness", "image_contrast"}),
        (wider, {"image_width"}),
        (coloured, {"image_channels"}),
    ],
)
def test_images(
    name: str, change: Callable[[Pixels], Pixels], columns: set[str], tmp_path: Path
) -> None:
    pixels, digits = change(images_of(SIZES[name])), load_digits().target[:200]
    found = findings(name, pixels, digits, tmp_path)
    assert found == {column: {"out_of_range"} for column in columns}


def test_a_label_that_is_no_digit(tmp_path: Path) -> None:
    digits = load_digits().target[:200].copy()
    digits[7] = 10
    assert findings("digits", images_of(8), digits, tmp_path) == {"digit": {"out_of_range"}}
