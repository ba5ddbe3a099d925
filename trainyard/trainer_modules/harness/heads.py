"""The output head, loss and training metrics that fit the task."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from trainyard.errors import RecipeError, nearest
from trainyard.recipe_schema import ONLY, Loss, Task
from trainyard.trainer_modules.harness import names, optimizers, options, soft_labels
from trainyard.trainer_modules.harness.construct import choose, construct, plain
from trainyard.trainer_modules.harness.exact_auc import ExactAuc
from trainyard.trainer_modules.harness.spec import HeadSpec, ModelSpec
from trainyard.trainer_modules.harness.texts import PADDING

ACTIVATIONS: dict[Task, str] = {
    "binary": "sigmoid",
    "multiclass": "softmax",
    "regression": "linear",
    "text": "linear",
}

_SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "logcosh": "log_cosh"}


@keras.saving.register_keras_serializable(package="trainyard")
class Contrastive(keras.losses.Loss):  # type: ignore[misc]  # Keras is not typed
    """Draws pairs that belong together closer, and pushes others away, up to a margin.

    Source: Hadsell, Chopra and LeCun, Dimensionality Reduction by Learning an Invariant
    Mapping, 2006 (http://yann.lecun.com/exdb/publis/pdf/hadsell-chopra-lecun-06.pdf). Their
    distance is that of unit vectors, of which the prediction is the similarity `(1 + cos) / 2`.

    Args:
        margin: Of the distance, which is 2 at most.
    """

    def __init__(self, margin: float = 1.0, name: str = "contrastive") -> None:
        super().__init__(name=name)
        self.margin = margin

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each pair, `[B]`."""
        same = ops.cast(y_true, y_pred.dtype)
        square = 4 * ops.maximum(1 - y_pred, 0)  # of the distance; rounding may reach above 1
        near = ops.maximum(self.margin - ops.sqrt(square + keras.config.epsilon()), 0)
        return ops.mean(same * square + (1 - same) * near**2, axis=-1) / 2

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"margin": self.margin, "name": self.name}


LOSSES: dict[Task, dict[str, type[keras.losses.Loss]]] = {
    "binary": {
        "binary_crossentropy": keras.losses.BinaryCrossentropy,
        "binary_focal_crossentropy": keras.losses.BinaryFocalCrossentropy,
        "contrastive": Contrastive,
    },
    "multiclass": {
        "sparse_categorical_crossentropy": keras.losses.CategoricalCrossentropy,
        "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
        "categorical_focal_crossentropy": keras.losses.CategoricalFocalCrossentropy,
    },
    "regression": {
        "mean_squared_error": keras.losses.MeanSquaredError,
        "mean_absolute_error": keras.losses.MeanAbsoluteError,
        "huber": keras.losses.Huber,
        "log_cosh": keras.losses.LogCosh,
    },
    "text": {"sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy},
}
"""Losses per task, the default first. Labels are always class indices: what needs
one-hot labels gets them from `OneHot`, which also lets every loss smooth them."""


@keras.saving.register_keras_serializable(package="trainyard")
class OneHot(keras.losses.Loss):  # type: ignore[misc]  # Keras is not typed
    """A loss on one-hot labels, given class indices `[B, 1]` or shares of classes `[B, C]`.

    Args:
        loss: Of labels and predictions `[B, C]`.
        classes: C.
    """

    def __init__(self, loss: keras.losses.Loss, classes: int) -> None:
        super().__init__(name=loss.name)
        self.loss = loss
        self.classes = classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each example, `[B]`."""
        return self.loss.call(soft_labels.shares(y_true, self.classes), y_pred)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"loss": keras.losses.serialize(self.loss), "classes": self.classes}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OneHot:
        """Rebuilds it from `get_config`."""
        return cls(keras.losses.deserialize(config["loss"]), config["classes"])


@keras.saving.register_keras_serializable(package="trainyard")
class Standardized(keras.losses.Loss):  # type: ignore[misc]  # Keras is not typed
    """A loss in units of the label's standard deviation.

    Gradients then do not depend on whether the label is in cents or in millions.

    Args:
        loss: Of labels and predictions `[B, 1]`.
        std: Of the training labels.
        dtype: Of labels and predictions.
    """

    def __init__(self, loss: keras.losses.Loss, std: float, dtype: str = "float32") -> None:
        super().__init__(name=loss.name, dtype=dtype)
        self.loss = loss
        self.std = std

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each example, `[B]`."""
        # Subtract first: a large mean would eat the digits.
        errors = ops.cast((y_pred - y_true) / self.std, "float32")
        return self.loss.call(ops.zeros_like(errors), errors)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        loss = keras.losses.serialize(self.loss)
        return {"loss": loss, "std": self.std, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Standardized:
        """Rebuilds it from `get_config`."""
        return cls(**config | {"loss": keras.losses.deserialize(config["loss"])})


@keras.saving.register_keras_serializable(package="trainyard")
class LabelUnits(keras.layers.Rescaling):  # type: ignore[misc]  # Keras is not typed
    """Turns a standardized score into the label's own units; Keras rounds the mean to 32 bits."""

    def call(self, inputs: Any) -> Any:
        """Returns `inputs * scale + offset`, in the layer's dtype.

        Args:
            inputs: `[B, 1]`.
        """
        kind = self.compute_dtype
        scale, offset = (ops.convert_to_tensor(x, kind) for x in (self.scale, self.offset))
        return ops.cast(inputs, kind) * scale + offset


def loss_class(loss: Loss | None, task: Task, where: str = "trainer.loss") -> keras.losses.Loss:
    """Builds the recipe's loss, or the task's own.

    Args:
        loss: The recipe's loss section.
        task: The kind of prediction.
        where: The section's key in the recipe, for errors.

    Raises:
        RecipeError: The loss or an option is unknown, or does not fit the task.
    """
    fitting = LOSSES[task]
    if loss is None:
        return next(iter(fitting.values()))()
    name = _SHORT.get(plain(loss.name), loss.name)
    suited = [each for each, losses in LOSSES.items() if plain(name) in map(plain, losses)]
    if suited and task not in suited:
        raise RecipeError(
            f"the loss {loss.name!r} is for {suited[0]} tasks, not for {task}",
            where=f"{where}.name",
            expected=", ".join(fitting),
            received=repr(loss.name),
            hint="leave `loss` out to get the one that fits",
        )
    return construct(choose("loss", name, fitting), loss.options, where)


def build_loss(head: HeadSpec) -> keras.losses.Loss:
    """Builds the loss of labels as the input pipeline gives them.

    Args:
        head: What is predicted.
    """
    if head.task == "text":  # logits, and padding is no token to be guessed
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PADDING)
    loss = loss_class(head.loss, head.task)
    if head.task == "multiclass":
        return OneHot(loss, head.classes)
    if head.task == "regression":
        return Standardized(loss, head.label.std, head.label.dtype)
    return loss


def training_metrics(
    task: Task, logits: bool = False, dtype: str = "float32", rows: int = 0
) -> list[keras.metrics.Metric]:
    """Makes what is shown while training, and can be monitored.

    Args:
        task: The kind of prediction.
        logits: Whether predictions come without activation.
        dtype: Of a regression's labels and predictions.
        rows: Of the larger split.
    """
    if task == "binary":
        return [
            ExactAuc(rows, logits),
            keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0 if logits else 0.5),
        ]
    if task == "multiclass":
        return [soft_labels.Accuracy()]
    return [keras.metrics.MeanAbsoluteError("mae", dtype)] if task == "regression" else []


def check_monitor(monitor: str, tasks: Mapping[str, Task]) -> None:
    """Checks what early stopping looks at.

    Args:
        monitor: The recipe's word.
        tasks: The kind of prediction of each head.

    Raises:
        RecipeError: Training does not measure it.
    """
    measured = ["loss"]
    for head, task in tasks.items():
        own = ["loss", *(metric.name for metric in training_metrics(task))]
        measured += [names.of(head, name) for name in own]
    known = [f"{prefix}{name}" for prefix in ("val_", "") for name in dict.fromkeys(measured)]
    if monitor not in known:
        raise RecipeError(
            f"early stopping cannot monitor {monitor!r}",
            where="trainer.early_stopping.monitor",
            expected=", ".join(known),
            received=repr(monitor),
            hint=nearest(monitor, known),
        )


def compiled(
    inputs: Mapping[str, keras.KerasTensor],
    vectors: keras.KerasTensor | Mapping[str, keras.KerasTensor],
    spec: ModelSpec,
    model_class: type[keras.Model] = keras.Model,
) -> keras.Model:
    """Puts the heads on a vector, or on one each, and compiles the model.

    Args:
        inputs: The model's inputs, by name.
        vectors: `[B, width]`: what all heads stand on; or by head.
        spec: What the model must fit.
        model_class: Of its own where a training step is not the usual one.

    Returns:
        A compiled model that predicts `[B, 1]`, for multiclass `[B, C]`; by head if there are
        several. For text it takes `[B, T, width]` and gives logits `[B, T, V]`.
    """
    own = vectors if isinstance(vectors, Mapping) else dict.fromkeys(spec.heads, vectors)
    outputs = {name: output(own[name], head, name) for name, head in spec.heads.items()}
    model = model_class(inputs, names.joined(outputs))
    compile_model(model, spec)
    return model


def output(vector: keras.KerasTensor, head: HeadSpec, name: str = ONLY) -> keras.KerasTensor:
    """Puts a head on a vector.

    Args:
        vector: `[B, width]`.
        head: What is predicted.
        name: The head's.

    Returns:
        `[B, 1]`, for multiclass `[B, C]`.
    """
    layer = names.of(name, "predictions")
    activation = "linear" if head.from_logits else ACTIVATIONS[head.task]
    if head.task in ("multiclass", "text"):
        return _dense(head.outputs, layer, activation)(vector)
    if head.task == "binary":
        # Without this the first epoch only learns how rare the positive class is.
        rate = head.label.positive_rate
        odds = keras.initializers.Constant(math.log(rate / (1 - rate)))
        return _dense(1, layer, activation, bias_initializer=odds)(vector)
    score = _dense(1, names.of(name, "standardized"))(vector)
    label = head.label
    return LabelUnits(label.std, label.mean, name=layer, dtype=label.dtype)(score)


def _dense(units: int, name: str, activation: str = "linear", **more: Any) -> keras.Layer:
    # In 16 bits a probability near 1 is 1, and a price of 5,000 is a multiple of 4.
    return keras.layers.Dense(units, activation, name=name, dtype="float32", **more)


def compile_model(model: keras.Model, spec: ModelSpec) -> None:
    """Compiles a model as the recipe says.

    Args:
        model: It predicts as `compiled` states.
        spec: What the model must fit.

    Raises:
        RecipeError: XLA is asked for, and a layer does not support it.
    """
    heads = spec.heads
    measured = {
        name: training_metrics(
            head.task, head.from_logits, head.label.dtype, max(spec.rows, spec.held_out_rows)
        )
        for name, head in heads.items()
    }
    model.compile(
        optimizer=optimizers.build(spec.training, spec.steps),
        loss=names.joined({name: build_loss(head) for name, head in heads.items()}),
        loss_weights=names.joined({name: head.weight for name, head in heads.items()}),
        # Keras weighs these by the weights of classes too.
        **{"weighted_metrics" if spec.weighted else "metrics": names.joined(measured)},
        **options.compile_options(model, spec),
    )


def predictor(model: keras.Model, spec: ModelSpec) -> keras.Model:
    """Returns the model that predicts probabilities, whatever it was trained to give.

    Args:
        model: The trained model.
        spec: What the model must fit.
    """
    if not any(head.from_logits for head in spec.heads.values()):
        return model
    given = names.parted(model.output)
    outputs = {name: _probable(given[name], head, name) for name, head in spec.heads.items()}
    return keras.Model(model.input, names.joined(outputs))


def _probable(output: keras.KerasTensor, head: HeadSpec, name: str) -> keras.KerasTensor:
    if not head.from_logits:
        return output
    layer = names.of(name, "probabilities")
    return keras.layers.Activation(ACTIVATIONS[head.task], name=layer, dtype="float32")(output)
