"""What a trainer module is told about the data and the training: `ModelSpec`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import keras
import numpy as np
import tensorflow_transform as tft

from trainyard.errors import DataError
from trainyard.recipe_schema import (
    ONLY,
    ClassWeights,
    ImageFeature,
    Loss,
    SeriesFeature,
    Target,
    Task,
    TextFeature,
    Trainer,
)
from trainyard.trainer_modules.harness import inputs, labels, texts
from trainyard.trainer_modules.harness import names as keys
from trainyard.trainer_modules.harness.config import TrainerConfig
from trainyard.wording import counted

DEFAULT_EPOCHS = 20


@dataclass(frozen=True)
class InputSpec:
    """One input of the model.

    Attributes:
        shape: Without the batch; None where rows differ.
        dtype: Such as `float32` or `int64`.
        vocabulary_size: How many ids there are; None for a number.
        image: How encoded images become this input; None if it is none.
        text: How text became these ids, int64 `[B, T]`, padded with `texts.PADDING`; T is the
            batch's longest, `text.length` at most. None if it is none.
        series: How a column of several numbers became this input; None if it is none.
        column: The raw column of an image, a text or a series.
        vocabulary: Text: the token of each id.
    """

    shape: tuple[int | None, ...]
    dtype: str
    vocabulary_size: int | None = None
    image: ImageFeature | None = None
    text: TextFeature | None = None
    series: SeriesFeature | None = None
    column: str = ""
    vocabulary: tuple[str, ...] = field(default=(), repr=False)

    @property
    def row_bytes(self) -> float:
        """What one row takes at most; infinite if nothing bounds it."""
        shape = (self.text.length,) if self.text else self.shape
        if self.dtype == "string" or None in shape:
            return math.inf
        return math.prod(shape) * np.dtype(self.dtype).itemsize  # type: ignore[arg-type]


@dataclass(frozen=True)
class LabelSpec:
    """What the training labels are like.

    Attributes:
        rows: Training examples.
        class_names: By class index; empty for regression.
        class_counts: Training examples of each class.
        mean: Of the label, for regression.
        std: Of the label, for regression; 1 if the label is constant.
        text: How text that is to be written became ids, int64 `[B, T]`; None if it is none.
        vocabulary: Of such text, the token of each id.
    """

    rows: int
    class_names: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    mean: float = 0.0
    std: float = 1.0
    text: TextFeature | None = None
    vocabulary: tuple[str, ...] = ()

    @property
    def dtype(self) -> Literal["float32", "float64"]:
        """Regression: the float in which labels and predictions keep their digits.

        64 bits where 32 cannot tell apart what lies a thousandth of the deviation apart.
        """
        spacing = np.spacing(np.float32(abs(self.mean) + self.std))
        return "float64" if spacing > self.std / 1000 else "float32"

    @property
    def vocabulary_size(self) -> int:
        """Text: how many ids there are."""
        return len(self.vocabulary)

    @property
    def positive_rate(self) -> float:
        """Binary: the share of the second class."""
        return self.class_counts[1] / self.rows


@dataclass(frozen=True)
class HeadSpec:
    """One thing that the model predicts.

    Attributes:
        task: The kind of prediction.
        label: What the training labels are like.
        loss: The recipe's; None for the one that fits the task.
        weight: Of its loss in the sum over all heads.
        class_weights: How much an example of each class counts, as the recipe says.
    """

    task: Task
    label: LabelSpec
    loss: Loss | None = None
    weight: float = 1.0
    class_weights: ClassWeights | None = None

    @property
    def classes(self) -> int:
        """How many classes there are; 0 for regression."""
        return len(self.label.class_names)

    @property
    def outputs(self) -> int:
        """How many numbers the model predicts for a row, or for a token of text."""
        if self.task == "text":
            return self.label.vocabulary_size
        return self.classes if self.task == "multiclass" else 1

    @property
    def from_logits(self) -> bool:
        """Whether the head is trained without its last activation."""
        return bool(self.loss and self.loss.options.get("from_logits"))


@dataclass(frozen=True)
class ModelSpec:
    """What a model must fit, and how it will be trained.

    Attributes:
        inputs: By name, in a fixed order.
        heads: What it predicts, by name; `ONLY` if it is one thing.
        training: The recipe's trainer section.
        weighted: Whether rows count differently.
        held_out_rows: Examples to validate on.
    """

    inputs: Mapping[str, InputSpec]
    heads: Mapping[str, HeadSpec]
    training: Trainer = field(default_factory=Trainer)
    weighted: bool = False
    held_out_rows: int = 0

    @classmethod
    def of_one(
        cls,
        inputs: Mapping[str, InputSpec],
        task: Task,
        label: LabelSpec,
        training: Trainer | None = None,
    ) -> ModelSpec:
        """Makes that of a model with one head.

        Args:
            inputs: By name.
            task: The kind of prediction.
            label: What the training labels are like.
            training: The recipe's trainer section, with the head's loss and class weights.
        """
        training = training or Trainer()
        head = HeadSpec(task, label, training.loss, class_weights=training.class_weights)
        return cls(inputs, {ONLY: head}, training)

    @property
    def head(self) -> HeadSpec:
        """The only head, for modules that take one."""
        (head,) = self.heads.values()
        return head

    @property
    def task(self) -> Task:
        """The only head's."""
        return self.head.task

    @property
    def label(self) -> LabelSpec:
        """The only head's."""
        return self.head.label

    @property
    def rows(self) -> int:
        """Training examples."""
        return next(iter(self.heads.values())).label.rows

    @property
    def images(self) -> dict[str, ImageFeature]:
        """How encoded images become inputs, by name."""
        return {name: entry.image for name, entry in self.inputs.items() if entry.image}

    @property
    def texts(self) -> dict[str, TextFeature]:
        """How text became ids, by name."""
        return {name: entry.text for name, entry in self.inputs.items() if entry.text}

    @property
    def classes(self) -> int:
        """The only head's."""
        return self.head.classes

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the training examples, the last one included."""
        return math.ceil(self.rows / self.training.batch_size)

    @property
    def steps(self) -> int:
        """Training steps in all, if nothing stops early."""
        epochs = self.training.epochs or DEFAULT_EPOCHS
        return self.training.steps or epochs * self.steps_per_epoch

    @property
    def epochs(self) -> int:
        """Passes over the training examples; the last one may be cut short by `steps`."""
        return math.ceil(self.steps / self.steps_per_epoch)

    def keras_inputs(self) -> dict[str, keras.KerasTensor]:
        """Makes the model's inputs, by name."""
        return {
            name: keras.Input(entry.shape, dtype=entry.dtype, name=name)
            for name, entry in self.inputs.items()
        }


def build(
    config: TrainerConfig,
    transform_output: tft.TFTransformOutput,
    train: inputs.Examples,
    held_out: inputs.Examples,
) -> ModelSpec:
    """Reads the inputs off Transform's output, and the labels off the examples.

    Args:
        config: What the Trainer was told.
        transform_output: What Transform wrote.
        train: Transformed training examples.
        held_out: Transformed examples to validate on.

    Raises:
        DataError: A label is missing, single-valued, or of an unknown class; or there is no
            token in a text's vocabulary.
    """
    heads = {name: _head(name, config, transform_output, train, held_out) for name in config.heads}
    for split, examples in (("train", train), ("eval", held_out)):
        _check_weights(examples.targets.get(keys.WEIGHT), split, config.weight)
    return ModelSpec(
        inputs=_inputs(config, transform_output) | _images(config),
        heads=heads,
        training=config.trainer,
        weighted=config.weight is not None,
        held_out_rows=len(held_out.targets[keys.label(next(iter(heads)))]),
    )


def _head(
    name: str,
    config: TrainerConfig,
    transform_output: tft.TFTransformOutput,
    train: inputs.Examples,
    held_out: inputs.Examples,
) -> HeadSpec:
    head, key = config.heads[name], keys.label(name)
    class_names = labels.class_names(transform_output, head, name)
    for split, examples in (("train", train), ("eval", held_out)):
        _check_labels(examples.targets[key], split, head)
    _check_classes(class_names, head)
    if not labels.has_positive(transform_output, head, name):
        raise _no_positive(class_names, head)
    label = _label_spec(train.targets[key], class_names)
    if text := config.written(head):
        vocabulary = texts.vocabulary(transform_output, key, text)
        label = LabelSpec(len(train.targets[key]), text=text, vocabulary=tuple(vocabulary))
    return HeadSpec(
        task=head.task,
        label=label,
        loss=head.loss,
        weight=head.weight,
        class_weights=head.class_weights,
    )


def _inputs(config: TrainerConfig, transform_output: tft.TFTransformOutput) -> dict[str, InputSpec]:
    domains = {
        feature.name: feature.int_domain.max + 1
        for feature in transform_output.transformed_metadata.schema.feature
        if feature.HasField("int_domain")
    }
    features = transform_output.transformed_feature_spec()
    columns = {key: column for column, key in keys.keys(config.series).items()}
    return {
        name: InputSpec(
            tuple(entry.shape),
            entry.dtype.name,
            domains.get(name),
            series=config.series.get(columns.get(name, "")),
            column=columns.get(name, ""),
        )
        for name, entry in sorted(features.items())
        if name not in config.targets
    } | _texts(config, transform_output)


def _texts(config: TrainerConfig, transform_output: tft.TFTransformOutput) -> dict[str, InputSpec]:
    made = {}
    for column, key in texts.keys(config.texts).items():
        feature = config.texts[column]
        words = tuple(texts.vocabulary(transform_output, key, feature))
        made[key] = InputSpec(
            (None,), "int64", len(words), text=feature, column=column, vocabulary=words
        )
    return made


def _images(config: TrainerConfig) -> dict[str, InputSpec]:
    return {
        key: InputSpec(f.shape, "float32", image=f, column=column)
        for column, key in keys.keys(config.images).items()
        for f in [config.images[column]]
    }


def _label_spec(values: inputs.Array, names: tuple[str, ...]) -> LabelSpec:
    if names:
        counts = np.bincount(values.astype(np.int64), minlength=len(names))
        return LabelSpec(len(values), names, tuple(int(count) for count in counts))
    return LabelSpec(len(values), mean=float(values.mean()), std=float(values.std()) or 1.0)


def _check_weights(values: inputs.Array | None, split: str, column: str | None) -> None:
    if values is None:
        return
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any() or not values.any():
        raise DataError(
            f"the weights in {column!r} cannot be used: {int(bad.sum())} of {len(values)} are "
            "missing or negative"
            if bad.any()
            else f"all weights in {column!r} are 0",
            where=f"{split}, column {column}",
            expected="numbers, 0 or more, not all 0",
            received=str(values[bad][0]) if bad.any() else "0",
        )


def _check_labels(values: inputs.Array, split: str, head: Target) -> None:
    if not len(values):
        raise DataError(
            f"the {split} split has no examples",
            where=split,
            hint="give more data, or another `data.split`",
        )
    regression = head.task == "regression"
    bad = labels.missing_numbers(values) if regression else values == labels.UNKNOWN
    if bad.any():
        raise DataError(
            f"the label {head.label.name!r} is missing or unknown in {int(bad.sum())} "
            f"of {counted(len(values), 'example')} of the {split} split",
            where=f"{split}, column {head.label.name}",
            expected="a number" if regression else "a class that the training split has",
            hint="fill in or remove these rows; a class must be in every split",
        )


def _check_classes(names: tuple[str, ...], head: Target) -> None:
    expected = {"binary": range(2, 3), "multiclass": range(2, 1 << 31)}.get(head.task)
    if expected is not None and len(names) not in expected:
        raise DataError(
            f"the label {head.label.name!r} has {len(names)} different values",
            where=f"column {head.label.name}",
            expected="2 values" if head.task == "binary" else "2 values or more",
            received=", ".join(names[:10]) + (", ..." if len(names) > 10 else ""),
            hint="change `task`, or the label's expression",
        )


def _no_positive(names: tuple[str, ...], head: Target) -> DataError:
    return DataError(
        f"no training row has the positive value of the label {head.label.name!r}",
        where=f"column {head.label.name}",
        expected=f"{head.label.positive!r}, as `label.positive` says",
        received=", ".join(map(repr, names)),
        hint=f"write `positive: {names[0]}` or `positive: {names[1]}`",
    )
