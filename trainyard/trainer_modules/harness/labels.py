"""The labels: how Transform encodes them, and how their classes are named and ordered.

Classes are the label's distinct values in the training split, numbers in
ascending order and text in alphabetical order, but for the value that the recipe
calls positive, which is the last. The order depends on no frequency, so models
trained on different spans agree on it; in a binary task the second class is the
positive one. A value that training did not see is -1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

from trainyard import kinds
from trainyard.raw_values import as_flag, as_number
from trainyard.recipe_schema import ONLY, Target, Task, TextFeature
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
    positive: str | None = None,
) -> tf.Tensor:
    """Encodes a raw label.

    Args:
        column: The raw label, `[B]`, `[B, 1]` or sparse.
        task: The kind of prediction.
        head: Whose label it is.
        text: How text that is to be written is cut into tokens.
        positive: The value that is the last class, as the recipe has it.

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
    order = partial(_order, dtype=values.dtype, positive=positive)
    return tft.apply_vocabulary(
        columns.as_text(values), file, lookup_fn=partial(_class_index, order=order)
    )


def missing_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Says which labels of a regression are missing.

    Args:
        values: As `encode` returns them.
    """
    missing: npt.NDArray[np.bool_] = ~np.isfinite(values) | (values == MISSING[tf.int64])
    return missing


def _class_index(
    text: tf.Tensor, file: tf.Tensor, order: Callable[[tf.Tensor], tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns int64 `[B, 1]` for strings `[B, 1]`, and the number of classes."""
    table = _table(file)
    names = table.lookup(tf.range(table.size()))
    rank = tf.argsort(order(names))
    same = tf.equal(text, names[tf.newaxis])  # (B, C)
    ranked = tf.where(same, tf.cast(rank, tf.int64), UNKNOWN)
    # A leading UNKNOWN keeps the maximum defined if there is no class at all.
    padded = tf.pad(ranked, [[0, 0], [1, 0]], constant_values=UNKNOWN)
    return tf.reduce_max(padded, axis=1, keepdims=True), table.size()


def class_names(
    transform_output: tft.TFTransformOutput, target: Target, head: str = ONLY
) -> tuple[str, ...]:
    """Names the classes in the order of their indices.

    Args:
        transform_output: What Transform wrote.
        target: What is predicted.
        head: Whose label it is.

    Returns:
        As `kinds.class_name` names them; empty for numbers and text.
    """
    if target.task in ("regression", "text"):
        return ()
    names, dtype = _vocabulary(transform_output, target, head)
    ordered = tf.gather(names, _order(names, dtype, target.label.positive)).numpy()
    kind = kinds.of(transform_output).get(target.label.name)
    return tuple(kinds.class_name(value, kind) for value in _values(ordered, dtype))


def has_positive(transform_output: tft.TFTransformOutput, target: Target, head: str = ONLY) -> bool:
    """Says whether the value that the recipe calls positive is one of the training labels.

    Args:
        transform_output: What Transform wrote.
        target: What is predicted.
        head: Whose label it is.

    Returns:
        True also if the recipe names none.
    """
    positive = target.label.positive
    if positive is None:
        return True
    names, dtype = _vocabulary(transform_output, target, head)
    return bool(tf.reduce_any(_is_positive(names, dtype, positive)).numpy())


def _vocabulary(
    transform_output: tft.TFTransformOutput, target: Target, head: str
) -> tuple[tf.Tensor, tf.DType]:
    """The classes as Transform found them, strings `[C]`, and the raw label's type."""
    names = tf.constant(transform_output.vocabulary_by_name(keys.label(head)), tf.string)
    return names, transform_output.raw_feature_spec()[target.label.name].dtype


def _values(names: Sequence[bytes], dtype: tf.DType) -> Sequence[Any]:
    """The raw values that a vocabulary has in `columns.as_text`'s words."""
    if dtype == tf.string:
        return [name.decode("utf-8", "replace") for name in names]
    kind: Any = np.dtype(dtype.as_numpy_dtype).type
    return [kind(name.decode()) for name in names]


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


def _order(names: tf.Tensor, dtype: tf.DType, positive: str | None = None) -> tf.Tensor:
    """Returns int32 `[C]`: where in `names` the first, second, ... class stands."""
    order = _alphabetical(names) if dtype == tf.string else _ascending(names)
    if positive is None:
        return order
    last = tf.cast(tf.gather(_is_positive(names, dtype, positive), order), tf.int32)
    return tf.gather(order, tf.argsort(last, stable=True))


def _is_positive(names: tf.Tensor, dtype: tf.DType, positive: str) -> tf.Tensor:
    """Returns booleans `[C]`, as `raw_values.is_same` tells it."""
    if dtype == tf.string:
        same = tf.equal(names, positive)
        flag = as_flag(positive)
        folded = tf.strings.lower(tf.strings.strip(names))
        return same if flag is None else same | tf.equal(folded, str(flag).lower())
    number = as_number(positive)
    if number is None:
        return tf.zeros_like(names, tf.bool)
    if dtype.is_integer:
        return tf.equal(names, str(number))
    return tf.equal(tf.strings.to_number(names, dtype), tf.constant(number, dtype))


def _ascending(names: tf.Tensor) -> tf.Tensor:
    return tf.argsort(tf.strings.to_number(names, tf.float64))


def _alphabetical(names: tf.Tensor) -> tf.Tensor:
    letters = tf.strings.unicode_decode(names, "UTF-8").to_tensor(0)  # (C, longest)
    # TensorFlow does not sort strings: sort by each letter, the last one first.
    return tf.foldr(
        lambda order, letter: tf.gather(order, tf.argsort(tf.gather(letter, order), stable=True)),
        tf.transpose(letters),
        initializer=tf.range(tf.size(names)),
    )
