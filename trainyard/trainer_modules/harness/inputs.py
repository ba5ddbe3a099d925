"""Transformed examples to batches: parallel, shuffled by seed and epoch, prefetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from trainyard.errors import RecipeError, nearest
from trainyard.trainer_modules.harness.labels import LABEL

if TYPE_CHECKING:
    from trainyard.trainer_modules.harness.spec import ModelSpec

CACHE_BYTES = 256 * 2**20
"""Files that are smaller than this, compressed, are held in memory."""

SHUFFLE_BUFFER = 100_000
"""Examples to choose the next one from."""

Array = np.ndarray[Any, Any]
Parser = Callable[[tf.Tensor], Any]


def expand(patterns: Sequence[str]) -> list[str]:
    """Returns the files that patterns such as TFX's `train_files` stand for, sorted."""
    return sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))


def parser(transform_output: tft.TFTransformOutput, weights: Sequence[float] | None) -> Parser:
    """Makes the function from serialized examples to what `fit` takes.

    Args:
        transform_output: What Transform wrote.
        weights: One a class, or None.

    Returns:
        Of serialized `[B]`: inputs by name and the label, and the weights if there are any.
    """
    features = transform_output.transformed_feature_spec()
    by_class = None if weights is None else tf.constant(weights, tf.float32)

    def parse(serialized: tf.Tensor) -> Any:
        inputs = tf.io.parse_example(serialized, features)
        label = inputs.pop(LABEL)
        return (inputs, label) if by_class is None else (inputs, label, tf.gather(by_class, label))

    return parse


def label_parser(transform_output: tft.TFTransformOutput) -> Parser:
    """Makes the function from serialized examples `[B]` to their labels `[B, 1]`."""
    features = {LABEL: transform_output.transformed_feature_spec()[LABEL]}
    return lambda serialized: tf.io.parse_example(serialized, features)[LABEL]


def labels(files: Sequence[str], parse: Parser) -> Iterator[Array]:
    """Yields all labels, flat, in blocks.

    Args:
        files: Transformed examples.
        parse: What `label_parser` returned.
    """
    for block in _examples(files).batch(8192).map(parse).as_numpy_iterator():
        yield block.reshape(-1)


def make_dataset(
    params: Any, spec: ModelSpec, files: Sequence[str], parse: Parser, epochs: range | None
) -> tf.data.Dataset:
    """Makes batches; a trainer module may offer its own function of this name.

    The order of an epoch depends on seed and epoch alone, so training that goes
    on from epoch 5 sees what it would have seen.

    Args:
        params: The module's hyperparameters; not read here.
        spec: For seed and batch size.
        files: Transformed examples.
        parse: What `parser` returned.
        epochs: Which epochs to make, shuffled, one after the other; None: one
            pass in the order of the files, to validate on.

    Returns:
        Batches of what `parse` returns; the last batch of an epoch may be smaller.
    """
    del params
    examples = _cached_if_small(files)

    def shuffled(epoch: tf.Tensor) -> tf.data.Dataset:
        seed = spec.training.seed + epoch
        order = examples.shuffle(SHUFFLE_BUFFER, seed=seed, reshuffle_each_iteration=False)
        return order.batch(spec.training.batch_size)

    if epochs is None:
        batches = examples.batch(spec.training.batch_size)
    else:
        batches = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(shuffled)
    return batches.map(parse, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _examples(files: Sequence[str]) -> tf.data.Dataset:
    compression = "GZIP" if files and files[0].endswith(".gz") else ""
    return tf.data.TFRecordDataset(list(files), compression, num_parallel_reads=min(4, len(files)))


def _cached_if_small(files: Sequence[str]) -> tf.data.Dataset:
    size = sum(tf.io.gfile.stat(file).length for file in files)
    return _examples(files).cache() if size < CACHE_BYTES else _examples(files)


def class_weights(
    wanted: str | dict[str, float] | None, names: Sequence[str], counts: Sequence[int]
) -> list[float] | None:
    """Decides how much an example of each class counts.

    Args:
        wanted: The recipe's `class_weights`: `balanced`, or weights by class name.
        names: The classes, by index.
        counts: Training examples of each class.

    Returns:
        One weight a class, or None. `balanced` gives all classes the same sum.

    Raises:
        RecipeError: A class is named that there is not.
    """
    if wanted is None:
        return None
    if isinstance(wanted, str):
        return [sum(counts) / (len(counts) * max(count, 1)) for count in counts]
    for name in wanted:
        if name not in names:
            raise RecipeError(
                f"the label has no class {name!r}",
                where=f"trainer.class_weights.{name}",
                expected=", ".join(names),
                received=repr(name),
                hint=nearest(name, names),
            )
    return [wanted.get(name, 1.0) for name in names]
