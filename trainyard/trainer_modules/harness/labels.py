"""The labels: how Transform encodes them, and how their classes are named and ordered.

Classes are the label's distinct values in the training split, numbers in
ascending order and text in alphabetical order. The order depends on no
frequency, so models trained on different spans agree on it; in a binary task
the second class is the positive one. A value that training did not see is -1.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from trainyard.recipe_schema import ONLY, Task, TextFeature
from trainyard.trainer_modules.harness import columns, texts
from trainyard.trainer_modules.harness import names as keys
from trainyard.trainer_modules.harness.columns import MISSING

UNKNOWN = -1
"""The index of a class that is missing or that training did not see."""


def encode(
    column: tf.Tensor | tf.SparseTensor,
    task: Task,
    head: str = ONLY,
    text: TextFeature | None = None,
) -> tf.Tensor:
    """Encodes a raw label.

    Args:
        column: The raw label, `[B]`, `[B, 1]` or sparse.
        task: The kind of prediction.
        head: Whose label it is.
        text: How text that is to be written is cut into tokens.

    Returns:
        Regression: the number as it is, int64 or float32 `[B, 1]`. Text: int64 `[B, T]`, the ids
        of its tokens, an end among them if it has markers. Else int64 `[B, 1]`, the index of the
        class.
    """
    values = columns.dense(column)
    if text is not None:
        ids = texts.ids(values, text, keys.label(head))
        return ids[:, 1:] if text.markers else ids  # nobody has to guess a start
    if task == "regression":
        return values
    file = tft.vocabulary(columns.as_text(values), vocab_filename=keys.label(head))
    numbers = values.dtype != tf.string
    return tft.apply_vocabulary(
        columns.as_text(values), file, lookup_fn=partial(_class_index, numbers=numbers)
    )


def missing_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Says which labels of a regression are missing.

    Args:
        values: As `encode` returns them.
    """
    missing: npt.NDArray[np.bool_] = ~np.isfinite(values) | (values == MISSING[tf.int64])
    return missing


def _class_index(text: tf.Tensor, file: tf.Tensor, numbers: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns int64 `[B, 1]` for strings `[B, 1]`, and the number of classes."""
    table = _table(file)
    names = table.lookup(tf.range(table.size()))
    rank = tf.argsort(_order(names, numbers))
    same = tf.equal(text, names[tf.newaxis])  # (B, C)
    ranked = tf.where(same, tf.cast(rank, tf.int64), UNKNOWN)
    # A leading UNKNOWN keeps the maximum defined if there is no class at all.
    padded = tf.pad(ranked, [[0, 0], [1, 0]], constant_values=UNKNOWN)
    return tf.reduce_max(padded, axis=1, keepdims=True), table.size()


def class_names(
    transform_output: tft.TFTransformOutput, label: str, task: Task, head: str = ONLY
) -> tuple[str, ...]:
    """Names the classes in the order of their indices.

    Args:
        transform_output: What Transform wrote.
        label: The raw label's name.
        task: The kind of prediction.
        head: Whose label it is.

    Returns:
        One name a class; empty for numbers and text.
    """
    if task in ("regression", "text"):
        return ()
    names = tf.constant(transform_output.vocabulary_by_name(keys.label(head)), tf.string)
    numbers = transform_output.raw_feature_spec()[label].dtype != tf.string
    ordered = tf.gather(names, _order(names, numbers)).numpy()
    return tuple(name.decode("utf-8", "replace") for name in ordered)


def _table(file: tf.Tensor) -> tf.lookup.StaticHashTable:
    """Reads a vocabulary file inside the transform graph: from line number to line."""
    at = tf.lookup.TextFileIndex

    def make() -> tf.lookup.StaticHashTable:
        lines = tf.lookup.TextFileInitializer(
            file, tf.int64, at.LINE_NUMBER, tf.string, at.WHOLE_LINE
        )
        return tf.lookup.StaticHashTable(lines, default_value="")

    # While Transform analyzes, the file is a placeholder of the graph; after that, an asset.
    return tft.make_and_track_object(make) if hasattr(file, "numpy") else make()


def _order(names: tf.Tensor, numbers: bool) -> tf.Tensor:
    """Returns int32 `[C]`: where in `names` the first, second, ... class stands."""
    if numbers:
        return tf.argsort(tf.strings.to_number(names, tf.float64))
    letters = tf.strings.unicode_decode(names, "UTF-8").to_tensor(0)  # (C, longest)
    # TensorFlow does not sort strings: sort by each letter, the last one first.
    return tf.foldr(
        lambda order, letter: tf.gather(order, tf.argsort(tf.gather(letter, order), stable=True)),
        tf.transpose(letters),
        initializer=tf.range(tf.size(names)),
    )
