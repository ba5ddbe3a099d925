"""What the model answers for the same few rows after every epoch, for people to read."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from trainyard.files import write_whole
from trainyard.recipe_schema import TextFeature
from trainyard.trainer_modules.harness import heads, images, names, texts
from trainyard.trainer_modules.harness.inputs import spread
from trainyard.trainer_modules.harness.spec import HeadSpec, ModelSpec

FILE = "watched.json"
ROWS = 8
MOST_CHARACTERS = 300
SIDE = 96

Array = np.ndarray[Any, Any]
Inputs = dict[str, tf.Tensor]
Worded = Callable[[keras.Model, Inputs], list[str]]


class Watch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Asks the model for some rows after each epoch.

    The file has `rows`, each with its `texts`, its `images` (PNG, in base64) and what is `actual`;
    and `epochs`: by the epoch's number, counted from 1, the answer for each row.

    Args:
        batch: Inputs and labels to validate on; some rows are taken, from all over it.
        spec: What is trained.
        file: Where to; training that goes on goes on with it.
        worded: From inputs to answers in words; None: classes and numbers.
    """

    def __init__(
        self,
        batch: tuple[Any, ...],
        spec: ModelSpec,
        file: Path,
        worded: Worded | None = None,
    ) -> None:
        super().__init__()
        inputs, labels, *_ = keras.tree.map_structure(partial(spread, rows=ROWS), batch)
        self.inputs, self.spec, self.file = inputs, spec, file
        self.worded = worded or self._worded
        before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        self.epochs = dict(before.get("epochs", {}))
        self.rows = described(inputs, labels, spec)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Writes the answers."""
        self.epochs[str(epoch + 1)] = self.worded(self.model, self.inputs)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        record = {"rows": self.rows, "epochs": self.epochs}
        write_whole(self.file, json.dumps(record, ensure_ascii=False, indent=1))

    def _worded(self, model: keras.Model, inputs: Inputs) -> list[str]:
        given = names.parted(heads.predictor(model, self.spec)(inputs, training=False))
        return _each_row(self.spec, {head: np.asarray(part) for head, part in given.items()}, _said)


def of(
    spec: ModelSpec, model: keras.Model, held_out: Any, file: Path, worded: Worded | None = None
) -> list[keras.callbacks.Callback]:
    """Makes the callback, where the model can be asked without changing what it will answer next.

    Args:
        spec: What is trained.
        model: The model.
        held_out: Batches to validate on.
        file: Where to.
        worded: As `Watch` takes it.

    Returns:
        One callback, or none: a model may have a state, or be spread over machines.
    """
    stateful = any(getattr(layer, "stateful", False) for layer in model.layers)
    if stateful or spec.training.distribution.name == "multi_worker":
        return []
    return [Watch(next(iter(held_out)), spec, file, worded)]


def described(inputs: Inputs, labels: Any, spec: ModelSpec) -> list[dict[str, Any]]:
    """Describes rows, as far as people can see anything in what the model is given.

    Args:
        inputs: By name.
        labels: As `names.joined` has them.
        spec: What is trained.

    Returns:
        For each row `texts`, `images` and `actual`.
    """
    known = {name: spec.inputs[name].vocabulary for name in spec.texts}
    shown = {
        name: texts.words(_single(inputs[name], feature), tf.constant(known[name]), feature).numpy()
        for name, feature in spec.texts.items()
    }
    parts = {head: np.asarray(part) for head, part in names.parted(labels).items()}
    return [
        {
            "texts": {n: each[row].decode()[:MOST_CHARACTERS] for n, each in shown.items()},
            "images": {n: _picture(inputs[n][row], feature) for n, feature in spec.images.items()},
            "actual": actual,
        }
        for row, actual in enumerate(_each_row(spec, parts, _true))
    ]


def _single(ids: tf.Tensor, feature: TextFeature) -> tf.Tensor:
    """Blanks out n-grams of ids `[B, T]`, which follow the single tokens they are made of."""
    widest, markers = feature.ngrams, 2 * feature.markers
    tokens = tf.math.count_nonzero(ids, axis=1, keepdims=True) - markers  # n + (n - 1) + ...
    single = (tokens + widest * (widest - 1) // 2) // widest + markers // 2
    return tf.where(tf.range(tf.shape(ids, tf.int64)[1]) < single, ids, texts.PADDING)


def _each_row(
    spec: ModelSpec, parts: Mapping[str, Array], say: Callable[[Array, HeadSpec], str]
) -> list[str]:
    """Says something of each row, of several heads with their names."""
    rows = len(next(iter(parts.values())))
    several = len(parts) > 1
    return [
        "; ".join(
            (f"{head}: " if several else "") + say(part[row], spec.heads[head])
            for head, part in parts.items()
        )
        for row in range(rows)
    ]


def _true(label: Array, head: HeadSpec) -> str:
    if head.task == "regression":
        return f"{label.item():.4g}"
    if head.label.text:
        vocabulary = tf.constant(head.label.vocabulary)
        return str(texts.words(label[np.newaxis], vocabulary, head.label.text).numpy()[0].decode())
    return head.label.class_names[int(label.item())]


def _said(numbers: Array, head: HeadSpec) -> str:
    if not head.classes:
        return f"{numbers.item():.4g}"
    shares = np.array([1 - numbers[0], numbers[0]]) if len(numbers) == 1 else numbers
    most = int(np.argmax(shares))
    return f"{head.label.class_names[most]} {100 * shares[most]:.0f} %"


def _picture(pixels: tf.Tensor, feature: Any) -> str:
    levels = images.levels(np.asarray(pixels), feature)
    drawn = Image.fromarray(levels.squeeze(-1) if levels.shape[-1] == 1 else levels)
    drawn.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    drawn.save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()
