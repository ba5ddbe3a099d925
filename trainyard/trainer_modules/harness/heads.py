"""The output head, loss and training metrics that fit the task."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from trainyard.errors import RecipeError, nearest
from trainyard.recipe_schema import Loss, Task, Trainer
from trainyard.trainer_modules.harness import optimizers, options, soft_labels
from trainyard.trainer_modules.harness.construct import choose, construct, plain
from trainyard.trainer_modules.harness.spec import ModelSpec

ACTIVATIONS: dict[Task, str] = {
    "binary": "sigmoid",
    "multiclass": "softmax",
    "regression": "linear",
}

LOSSES: dict[Task, dict[str, type[keras.losses.Loss]]] = {
    "binary": {
        "binary_crossentropy": keras.losses.BinaryCrossentropy,
        "binary_focal_crossentropy": keras.losses.BinaryFocalCrossentropy,
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
}
"""Losses per task, the default first. Labels are always class indices: what needs
one-hot labels gets them from `OneHot`, which also lets every loss smooth them."""

_SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "logcosh": "log_cosh"}


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
    """

    def __init__(self, loss: keras.losses.Loss, std: float) -> None:
        super().__init__(name=loss.name)
        self.loss = loss
        self.std = std

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each example, `[B]`."""
        # Subtract first: a large mean would eat the digits.
        return self.loss.call(ops.zeros_like(y_pred), (y_pred - y_true) / self.std)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"loss": keras.losses.serialize(self.loss), "std": self.std}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Standardized:
        """Rebuilds it from `get_config`."""
        return cls(keras.losses.deserialize(config["loss"]), config["std"])


def loss_class(loss: Loss | None, task: Task) -> keras.losses.Loss:
    """Builds the recipe's loss, or the task's own.

    Args:
        loss: The recipe's loss section.
        task: The kind of prediction.

    Raises:
        RecipeError: The loss or an option is unknown, or does not fit the task.
    """
    fitting, where = LOSSES[task], "trainer.loss"
    if loss is None:
        return next(iter(fitting.values()))()
    name = _SHORT.get(plain(loss.name), loss.name)
    for other, losses in LOSSES.items():
        if task != other and plain(name) in map(plain, losses):
            raise RecipeError(
                f"the loss {loss.name!r} is for {other} tasks, not for {task}",
                where=f"{where}.name",
                expected=", ".join(fitting),
                received=repr(loss.name),
                hint="leave `loss` out to get the one that fits",
            )
    return construct(choose("loss", name, fitting), loss.options, where)


def build_loss(spec: ModelSpec) -> keras.losses.Loss:
    """Builds the loss of labels as the input pipeline gives them.

    Args:
        spec: What the model must fit.
    """
    loss = loss_class(spec.training.loss, spec.task)
    if spec.task == "multiclass":
        return OneHot(loss, spec.classes)
    return Standardized(loss, spec.label.std) if spec.task == "regression" else loss


def from_logits(training: Trainer) -> bool:
    """Says whether the model is trained without its last activation."""
    return bool(training.loss and training.loss.options.get("from_logits"))


def training_metrics(task: Task, logits: bool = False) -> list[keras.metrics.Metric]:
    """Makes what is shown while training, and can be monitored.

    Args:
        task: The kind of prediction.
        logits: Whether predictions come without activation.
    """
    if task == "binary":
        return [
            keras.metrics.AUC(name="auc", from_logits=logits),
            keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0 if logits else 0.5),
        ]
    if task == "multiclass":
        return [soft_labels.Accuracy()]
    return [keras.metrics.MeanAbsoluteError(name="mae")]


def check_monitor(monitor: str, task: Task) -> None:
    """Checks what early stopping looks at.

    Raises:
        RecipeError: Training with this task does not measure it.
    """
    measured = ["loss", *(metric.name for metric in training_metrics(task))]
    known = [f"{prefix}{name}" for prefix in ("val_", "") for name in measured]
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
    vector: keras.KerasTensor,
    spec: ModelSpec,
    model_class: type[keras.Model] = keras.Model,
) -> keras.Model:
    """Puts the task's head on a vector and compiles the model.

    Args:
        inputs: The model's inputs, by name.
        vector: `[B, width]`.
        spec: What the model must fit.
        model_class: Of its own where a training step is not the usual one.

    Returns:
        A compiled model that predicts `[B, 1]`, for multiclass `[B, C]`.
    """
    model = model_class(inputs, _output(vector, spec))
    compile_model(model, spec)
    return model


def _output(vector: keras.KerasTensor, spec: ModelSpec) -> keras.KerasTensor:
    activation = "linear" if from_logits(spec.training) else ACTIVATIONS[spec.task]
    if spec.task == "multiclass":
        return _dense(spec.classes, "predictions", activation)(vector)
    if spec.task == "binary":
        # Without this the first epoch only learns how rare the positive class is.
        rate = spec.label.positive_rate
        odds = keras.initializers.Constant(math.log(rate / (1 - rate)))
        return _dense(1, "predictions", activation, bias_initializer=odds)(vector)
    score = _dense(1, "standardized")(vector)
    rescale = keras.layers.Rescaling(
        spec.label.std, spec.label.mean, name="predictions", dtype="float32"
    )
    return rescale(score)


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
    model.compile(
        optimizer=optimizers.build(spec.training, spec.steps),
        loss=build_loss(spec),
        metrics=training_metrics(spec.task, from_logits(spec.training)),
        **options.compile_options(model, spec),
    )


def predictor(model: keras.Model, spec: ModelSpec) -> keras.Model:
    """Returns the model that predicts probabilities, whatever it was trained to give.

    Args:
        model: The trained model.
        spec: What the model must fit.
    """
    if not from_logits(spec.training):
        return model
    activation = keras.layers.Activation(
        ACTIVATIONS[spec.task], name="probabilities", dtype="float32"
    )
    return keras.Model(model.input, activation(model.output))
