"""Transformed examples to batches: read once, shuffled by seed and epoch, prefetched.

A split that fits in memory is parsed once, in large blocks, and each epoch is
a permutation of its rows: a perfect shuffle, at the rate of arrays. Its images
are decoded once too, if their pixels fit. A larger split is streamed through a
shuffle buffer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from trainyard import progress
from trainyard.errors import RecipeError, nearest
from trainyard.trainer_modules.harness import images, names, soft_labels, texts
from trainyard.wording import counted

if TYPE_CHECKING:
    from trainyard.recipe_schema import ImageFeature
    from trainyard.trainer_modules.harness.spec import HeadSpec, ModelSpec

IN_MEMORY_BYTES = 128 * 2**20
"""Of one split's parsed tensors: about a million rows of a table. TensorFlow and what a stage
has loaded take some 0.9 GB; two such splits, held twice while they are joined, stay below 1.5."""

SHUFFLE_ROWS = 100_000
"""Of a split that is streamed: rows to choose the next one from, if they fit in memory."""

BLOCK_ROWS = 8192
"""So many rows that a call costs little a row, so few that a table's block stays in the cache."""

BLOCK_BYTES = 8 * 2**20
"""Of serialized examples: fewer rows make a block of images."""

VALIDATION_BATCH_BYTES = 2**20
"""Of model inputs. What the layers between make of a batch is some ten to a hundred times that."""

BLOCK_IMAGES = 32
"""That a processor decodes at a time."""

WINDOW = 50
"""Batches among which rows of like length are put together: few rows pad, and yet each epoch
has other batches."""

STRING_BYTES = 24
"""What TensorFlow takes for a string beside its letters."""

Array = np.ndarray[Any, Any]
Tensors = dict[str, tf.Tensor]
Change = Callable[[Tensors, Any], tuple[Tensors, Any]]
"""Of a training batch: its inputs, and its labels as `names.joined` has them."""
Lengths = Callable[[Tensors], tf.Tensor]
"""Of rows, `[rows, ...]`: what each one's cost grows with, int64 `[rows]`."""


def expand(patterns: Sequence[str]) -> list[str]:
    """Returns the files that patterns such as TFX's `train_files` stand for, sorted."""
    return sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))


class Examples:
    """One split of transformed examples.

    Args:
        files: TFRecord files, all compressed with gzip (`.gz`) or none.
        features: How to parse them, as `TFTransformOutput.transformed_feature_spec` says.
        memory: Bytes that its parsed tensors may take to be held.
        targets: Which of the features are labels or weights.
        images: Which of them are images, and how they are decoded.
    """

    def __init__(
        self,
        files: Sequence[str],
        features: Mapping[str, Any],
        memory: int = IN_MEMORY_BYTES,
        targets: Collection[str] = (names.LABEL,),
        images: Mapping[str, ImageFeature] | None = None,
    ) -> None:
        self.files = list(files)
        self.features = dict(features)
        self._targets = tuple(targets)
        self._images = dict(images or {})
        self.memory = memory

    @property
    def targets(self) -> dict[str, Array]:
        """The labels and weights of each row, flat, by key; of text, how many tokens it has."""
        return self._read[0]

    @property
    def held(self) -> Tensors | None:
        """All rows, parsed, `[rows, ...]`; None if they do not fit in memory.

        Images are pixels, uint8 `[rows, H, W, C]`, if these fit too.
        """
        return self._read[1]

    def batches(
        self,
        rows: int,
        *,
        seed: int = 0,
        epochs: range | None = None,
        lengths: Lengths | None = None,
    ) -> tf.data.Dataset:
        """Makes batches of parsed examples.

        The order of an epoch depends on seed and epoch alone.

        Args:
            rows: How many in a batch; the last one of an epoch may be smaller.
            seed: Of the order.
            epochs: Which epochs to make, shuffled, one after the other; None: one
                pass in the order of the files.
            lengths: If given, shuffled rows are put into batches of like length, among `WINDOW`
                batches; these come in random order.

        Returns:
            Tensors by name, the label among them, `[rows, ...]`.
        """
        held = self.held
        batches = (
            self._streamed(rows, seed, epochs, lengths)
            if held is None
            else _gathered(held, rows, seed, epochs, lengths)
        )
        if epochs is not None:
            return batches
        # Keras ends a pass of unknown length with a batch of no rows, and counts it as one
        # without loss in what it says of each head.
        batch_count = math.ceil(len(self.targets[self._targets[0]]) / rows)
        return batches.apply(tf.data.experimental.assert_cardinality(batch_count))

    @cached_property
    def _read(self) -> tuple[dict[str, Array], Tensors | None]:
        """One pass: the targets, and all else as long as it fits."""
        targets: dict[str, list[Array]] = {name: [np.empty(0)] for name in self._targets}
        blocks: list[Tensors] = []
        rows, size = 0, 0.0
        for serialized in self._blocks().prefetch(2):
            fits = size <= self.memory
            block = self._parse(serialized) if fits else self._parse_targets(serialized)
            for name, parts in targets.items():
                parts.append(_number(block[name].numpy()))
            rows += len(block[self._targets[0]])
            progress.report(f"{counted(rows, 'row')} read")
            size += sum(map(_bytes, block.values()))
            if size <= self.memory:
                blocks.append(block)
            else:
                blocks.clear()
        held = self._joined(blocks) if size <= self.memory else None
        return {name: np.concatenate(parts) for name, parts in targets.items()}, held

    def _joined(self, blocks: list[Tensors]) -> Tensors | None:
        # A column's blocks go before the next column is joined: never two copies of all.
        if not blocks:
            return None
        joined = {
            name: tf.concat([block.pop(name) for block in blocks], 0) for name in self.features
        }
        return joined | self._pixels(joined)

    def _pixels(self, joined: Tensors) -> Tensors:
        """All images, decoded, if they can be held: uint8 `[rows, H, W, C]` by name."""
        rows = len(joined[self._targets[0]])
        if rows * sum(math.prod(entry.shape) for entry in self._images.values()) > self.memory:
            return {}
        return {name: pixels(joined[name], entry, name) for name, entry in self._images.items()}

    def _blocks(self) -> tf.data.Dataset:
        """Serialized examples `[block]`, of some files in turn."""
        rows = self._rows_of(BLOCK_BYTES, at_most=BLOCK_ROWS)
        # Files take turns by the block: by the row, as TFRecordDataset's own parallel reads
        # do it, a row costs forty microseconds.
        return tf.data.Dataset.from_tensor_slices(tf.constant(self.files, tf.string)).interleave(
            lambda file: self._records(file).batch(rows),
            cycle_length=4,
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    def _records(self, files: Any) -> tf.data.Dataset:
        gzip = bool(self.files) and self.files[0].endswith(".gz")
        return tf.data.TFRecordDataset(files, "GZIP" if gzip else "")

    def _rows_of(self, size: int, at_most: int) -> int:
        """How many serialized examples make so many bytes, by the first of them."""
        records = self._records(tf.constant(self.files, tf.string)).take(64)
        first = [len(record) for record in records.as_numpy_iterator()]
        return max(1, min(at_most, size * len(first) // max(1, sum(first))))

    def _parse(self, serialized: tf.Tensor) -> Tensors:
        parsed: Tensors = tf.io.parse_example(serialized, self.features)
        return parsed

    def _parse_targets(self, serialized: tf.Tensor) -> Tensors:
        """Passes over all else, images above all, without a copy of it."""
        targets = {name: self.features[name] for name in self._targets}
        parsed: Tensors = tf.io.parse_example(serialized, targets)
        return parsed

    def _streamed(
        self, rows: int, seed: int, epochs: range | None, lengths: Lengths | None
    ) -> tf.data.Dataset:
        examples = self._blocks().unbatch()
        buffer = self._rows_of(IN_MEMORY_BYTES, at_most=SHUFFLE_ROWS)

        def shuffled(epoch: tf.Tensor) -> tf.data.Dataset:
            order = examples.shuffle(buffer, seed=seed + epoch, reshuffle_each_iteration=False)
            return order.batch(rows * WINDOW if lengths else rows)

        if epochs is None:
            return examples.batch(rows).map(self._parse, tf.data.AUTOTUNE)
        parsed = (
            tf.data.Dataset.range(epochs.start, epochs.stop)
            .flat_map(shuffled)
            .map(self._parse, tf.data.AUTOTUNE)
        )
        if lengths is None:
            return parsed
        return parsed.flat_map(
            lambda window: _alike(lengths(window), rows, seed).map(partial(_taken, window))
        )


def _number(values: Array) -> Array:
    """Returns one number a row, of shape `(rows,)`."""
    row = values.reshape(len(values), -1)
    numbers: Array = row[:, 0] if row.shape[1] == 1 else np.count_nonzero(row, axis=1)
    return numbers


def _bytes(tensor: tf.Tensor | tf.SparseTensor) -> float:
    if isinstance(tensor, tf.SparseTensor):
        return math.inf  # rows of it cannot be gathered
    if tensor.dtype == tf.string:
        return int(tf.reduce_sum(tf.strings.length(tensor))) + STRING_BYTES * int(tf.size(tensor))
    return int(tf.size(tensor)) * int(tensor.dtype.size)


def _taken(tensors: Tensors, chosen: tf.Tensor) -> Tensors:
    return {name: tf.gather(tensor, chosen) for name, tensor in tensors.items()}


def _alike(lengths: tf.Tensor, rows: int, seed: int) -> tf.data.Dataset:
    """Cuts a window, lengths `[N]`, into batches of like lengths, in random order."""
    order = tf.argsort(lengths, stable=True)
    starts = tf.range(0, tf.size(lengths), rows)
    # No two windows' lengths come in the same order, so that each has chance of its own.
    chance = [seed, tf.reduce_sum(tf.cast(lengths, tf.int32) * tf.range(tf.size(lengths)))]
    mixed = tf.random.experimental.stateless_shuffle(starts, chance)
    batches = tf.data.Dataset.from_tensor_slices(mixed)
    return batches.map(lambda start: order[start : start + rows])


def _gathered(
    tensors: Tensors, rows: int, seed: int, epochs: range | None, lengths: Lengths | None
) -> tf.data.Dataset:
    total = len(next(iter(tensors.values())))
    known = lengths(tensors) if lengths and epochs is not None else None

    def shuffled(epoch: tf.Tensor) -> tf.Tensor:
        # TensorFlow's stateless generators take two numbers.
        return tf.random.experimental.stateless_shuffle(in_order, [seed, epoch])

    def cut(order: tf.Tensor, size: int) -> tf.data.Dataset:
        starts = tf.data.Dataset.range(0, total, size)
        return starts.map(lambda start: order[start : start + size])

    def alike(window: tf.Tensor) -> tf.data.Dataset:
        batches = _alike(tf.gather(known, window), rows, seed)
        return batches.map(partial(tf.gather, window))

    in_order = tf.range(total, dtype=tf.int64)
    orders = (
        tf.data.Dataset.from_tensors(in_order)
        if epochs is None
        else tf.data.Dataset.range(epochs.start, epochs.stop).map(shuffled)
    )
    if known is None:
        batches = orders.flat_map(partial(cut, size=rows))
    else:
        batches = orders.flat_map(partial(cut, size=rows * WINDOW)).flat_map(alike)
    return batches.map(partial(_taken, tensors), tf.data.AUTOTUNE)


def pixels(encoded: tf.Tensor, feature: ImageFeature, name: str) -> tf.Tensor:
    """Decodes many images, on all processors.

    Args:
        encoded: Image files, string `[N, 1]`.
        feature: Size, channels and resizing.
        name: For the error.

    Returns:
        uint8 `[N, H, W, C]`.
    """
    decoded: list[tf.Tensor] = []
    blocks = tf.data.Dataset.from_tensor_slices(encoded).batch(BLOCK_IMAGES)
    for block in blocks.map(partial(images.pixels, feature=feature, name=name), tf.data.AUTOTUNE):
        decoded.append(block)
        progress.report(f"{counted(sum(map(len, decoded)), 'image')} decoded")
    return tf.concat(decoded, 0) if decoded else tf.zeros([0, *feature.shape], tf.uint8)


def spread(tensor: tf.Tensor, rows: int) -> tf.Tensor:
    """Takes some rows at equal distances: neighbours in a file may be all alike.

    Args:
        tensor: `[B, ...]`.
        rows: How many, if there are so many.
    """
    places = np.linspace(0, len(tensor) - 1, min(rows, len(tensor))).round().astype(np.int64)
    return tf.gather(tensor, places)


def make_dataset(
    params: Any,
    spec: ModelSpec,
    examples: Examples,
    epochs: range | None,
    *,
    validation_rows: int | None = None,
    augment: Change | None = None,
) -> tf.data.Dataset:
    """Makes batches; a trainer module may offer its own function of this name.

    Args:
        params: The module's hyperparameters; not read here.
        spec: For seed, batch size, heads and their class weights.
        examples: A split.
        epochs: Which epochs to make, shuffled, one after the other; None: one
            pass in the order of the files, to validate on.
        validation_rows: How many rows validation takes at a time. If not given, many:
            a model whose state depends on the batch (`stateful`) must say its own.
        augment: Changes training batches, before class weights are looked up.

    Returns:
        Batches of inputs by name, of the label or labels by head, and of weights, likewise,
        if there are any: those of classes while training only. The last batch of an epoch
        may be smaller.
    """
    del params
    training = spec.training
    if epochs is None:
        return _ready(examples.batches(validation_rows or _validation_rows(spec)), spec, None, {})
    lengths = partial(texts.lengths, names=spec.texts) if _buckets(spec) else None
    batches = examples.batches(
        training.batch_size, seed=training.seed, epochs=epochs, lengths=lengths
    )
    return trained_on(batches, spec, augment)


def trained_on(
    batches: tf.data.Dataset, spec: ModelSpec, augment: Change | None = None
) -> tf.data.Dataset:
    """Makes of parsed examples what a model is trained on, as `make_dataset` returns it.

    Args:
        batches: Tensors by name, the label among them, `[rows, ...]`; what is beside the
            model's inputs stays.
        spec: For heads and their class weights.
        augment: Changes batches, before class weights are looked up.
    """
    return _ready(batches, spec, augment, _class_weights(spec))


def _ready(
    batches: tf.data.Dataset,
    spec: ModelSpec,
    augment: Change | None,
    by_class: Mapping[str, tf.Tensor],
) -> tf.data.Dataset:
    # Where not even pixels are held, they are made of a few batches at a time.
    costly = bool(spec.images or augment)
    prepared = _prepared(spec, augment, by_class)
    batches = batches.map(prepared, tf.data.AUTOTUNE if costly else None)
    options = tf.data.Options()
    options.autotune.ram_budget = IN_MEMORY_BYTES  # by default half of the machine's memory
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def _buckets(spec: ModelSpec) -> bool:
    # A window of images would take more memory than padding is worth.
    return spec.training.bucketing and bool(spec.texts) and not spec.images


def _validation_rows(spec: ModelSpec) -> int:
    """Metrics do not depend on how rows are batched, the time does."""
    row = sum(entry.row_bytes for entry in spec.inputs.values())
    return max(spec.training.batch_size, min(BLOCK_ROWS, int(VALIDATION_BATCH_BYTES / max(1, row))))


def _prepared(
    spec: ModelSpec, augment: Change | None, by_class: Mapping[str, tf.Tensor]
) -> Callable[[Tensors], tuple[Any, ...]]:
    def prepared(features: Tensors) -> tuple[Any, ...]:
        inputs, labels, rows = parts(features, spec)
        if augment:
            inputs, labels = augment(inputs, labels)
        if rows is None and not by_class:
            return inputs, labels
        weights = {
            head: _weights(part, rows, by_class.get(head))
            for head, part in names.parted(labels).items()
        }
        return inputs, labels, names.joined(weights)

    return prepared


def parts(features: Tensors, spec: ModelSpec) -> tuple[Tensors, Any, tf.Tensor | None]:
    """Takes a batch of parsed examples apart.

    Args:
        features: By name, images encoded.
        spec: What is trained.

    Returns:
        Inputs by name; labels as `names.joined` has them, texts cut to the batch's longest; and
        what each row counts, `[B, 1]`, if the recipe says so.
    """
    inputs = dict(images.decoded(features, spec.images))
    if _buckets(spec):
        written = [names.label(name) for name, head in spec.heads.items() if head.label.text]
        inputs = texts.trimmed(inputs, [*spec.texts, *written])
    labels = names.joined(
        {name: _label(inputs.pop(names.label(name)), head) for name, head in spec.heads.items()}
    )
    return inputs, labels, inputs.pop(names.WEIGHT) if spec.weighted else None


def _label(values: tf.Tensor, head: HeadSpec) -> tf.Tensor:
    """Returns a regression's labels as floats that hold them; Transform leaves whole numbers."""
    return tf.cast(values, head.label.dtype) if head.task == "regression" else values


def _class_weights(spec: ModelSpec) -> dict[str, tf.Tensor]:
    """What an example of each class counts, by head, where not all count the same."""
    found = {name: _weights_of_head(name, head) for name, head in spec.heads.items()}
    return {name: tf.constant(each, tf.float32) for name, each in found.items() if each}


def _weights_of_head(name: str, head: HeadSpec) -> list[float] | None:
    where = f"heads.{name}.class_weights" if name else "trainer.class_weights"
    label = head.label
    return class_weights(head.class_weights, label.class_names, label.class_counts, where)


def _weights(labels: tf.Tensor, rows: tf.Tensor | None, by_class: tf.Tensor | None) -> tf.Tensor:
    """Returns float32 `[B, 1]`."""
    weights = tf.ones([tf.shape(labels)[0], 1]) if rows is None else rows
    if by_class is None:
        return weights
    if labels.dtype.is_integer:
        return weights * tf.gather(by_class, labels)
    shares = soft_labels.shares(labels, len(by_class))  # an example of several classes
    return weights * tf.linalg.matvec(shares, by_class)[:, tf.newaxis]


def class_weights(
    wanted: str | dict[str, float] | None,
    names: Sequence[str],
    counts: Sequence[int],
    where: str = "trainer.class_weights",
) -> list[float] | None:
    """Decides how much an example of each class counts.

    Args:
        wanted: The recipe's `class_weights`: `balanced`, or weights by class name.
        names: The classes, by index.
        counts: Training examples of each class.
        where: The recipe's key, for errors.

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
                where=f"{where}.{name}",
                expected=", ".join(names),
                received=repr(name),
                hint=nearest(name, names),
            )
    return [wanted.get(name, 1.0) for name in names]
