"""Rows with an encoded image; and hand-made model specifications, and batches that fit them."""

from __future__ import annotations

import io
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from tests.trainer_modules.tables import LABELS as COLUMNS
from tests.trainer_modules.tables import Row, predicted, trained_as
from trainyard.recipe_schema import Recipe, Task, Trainer
from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
SHAPE = (8, 8, 1)
OTHERS = {"kind_id": InputSpec((1,), "int64", 7), "numeric": InputSpec((3,), "float32")}
LABELS: dict[Task, LabelSpec] = {
    "binary": LabelSpec(16, ("no", "yes"), (8, 8)),
    "multiclass": LabelSpec(16, ("a", "b", "c"), (6, 5, 5)),
    "regression": LabelSpec(16, mean=1000.0, std=300.0),
}


def specification(
    task: Task = "multiclass",
    shape: tuple[int, int, int] = SHAPE,
    *,
    others: bool = False,
    **trainer: Any,
) -> ModelSpec:
    """One image of `shape`, and with `others` a category and three numbers beside it."""
    inputs = {"image": InputSpec(shape, "float32")} | (OTHERS if others else {})
    return ModelSpec.of_one(inputs, task, LABELS[task], Trainer(**trainer))


def one_batch(spec: ModelSpec, size: int = 16) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Noise as the harness would decode it, 0 to 1, and labels that have nothing to do with it."""
    random = np.random.default_rng(3)
    x = {name: _values(entry, size, random) for name, entry in spec.inputs.items()}
    if spec.task == "regression":
        return x, random.normal(spec.label.mean, spec.label.std, (size, 1)).astype(np.float32)
    return x, random.permutation(np.arange(size) % spec.classes)[:, None]


def _values(entry: InputSpec, size: int, random: np.random.Generator) -> np.ndarray:
    if entry.vocabulary_size:
        return random.integers(0, entry.vocabulary_size, (size, *entry.shape))
    return random.random((size, *entry.shape), np.float32)


def loss_by_heart(model: keras.Model, spec: ModelSpec, steps: int) -> float:
    """The loss of one batch after `steps` steps on it."""
    batch = tf.data.Dataset.from_tensors(one_batch(spec))
    model.fit(batch.repeat(steps), verbose=0)
    return model.evaluate(batch, verbose=0, return_dict=True)["loss"]


TYPES = {
    "image": "string",
    "weight": "float32",
    "kind": "string",
    "yes": "int64",
    "grade": "string",
    "price": "float32",
}


def pictures(rows: int, seed: int = 0) -> list[Row]:
    """Noise about a level of grey, of any size and as JPEG or PNG, beside a number and a word."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(rows):
        level = float(random.random())
        size = (*random.integers(20, 60, 2), 3)
        pixels = np.clip(255 * (level + 0.2 * random.normal(size=size)), 0, 255).astype(np.uint8)
        made.append(
            {
                "image": encoded(pixels, "PNG" if number % 3 else "JPEG"),
                "weight": None if number % 7 == 0 else float(random.normal(40, 10)),
                "kind": str(random.choice(["ant", "bee"])),
                "yes": int(level > 0.5),
                "grade": ("low", "middle", "high")[int(3 * level)],
                "price": 1000.0 + 300.0 * level,
            }
        )
    return made


def encoded(pixels: np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    """An image file of uint8 `[H, W]` or `[H, W, C]`."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def recipe(task: str = "binary", **trainer: Any) -> Recipe:
    """A recipe for `pictures`: the image and what is beside it are inputs."""
    others = dict.fromkeys(COLUMNS.values(), "ignored")
    image = {"image": {"kind": "image", "size": [32, 32]}}
    sections = {"data": {"path": "unused"}} | predicted(task, COLUMNS)
    made = Recipe.model_validate({"name": "test", "features": image | others} | sections)
    return trained_as(made, **{"module": "cnn"} | trainer)
