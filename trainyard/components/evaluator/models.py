"""Labels and predictions of a SavedModel, in large batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainyard.components.evaluator import comparability
from trainyard.errors import DataError
from trainyard.trainer_modules.harness import description, example_types, names
from trainyard.wording import agreeing, counted

PREDICT_ROWS = 4096
PREDICT_BYTES = 8 << 20  # of decoded images; the layers of a network hold many times that

Array = NDArray[Any]


class Judged(NamedTuple):
    """What a model is judged by.

    Attributes:
        labels: Of shape `(rows,)`; of text, what should have been written.
        predictions: Of shape `(rows, outputs)`; of text, all answers by name, `(rows, ...)`.
        weights: Of shape `(rows,)`; ones if rows count alike.
    """

    labels: Array
    predictions: Any
    weights: Array


class Model:
    """A SavedModel that answers from serialized tf.Examples.

    Args:
        folder: Where it lies.
        spec: Its `tfma.ModelSpec`: names of signatures, of labels, predictions and weights.
        kinds: The columns that it reads as another type of number than the rows have, and which.

    Raises:
        LookupError: It has not got what `spec` names.
    """

    def __init__(self, folder: Path, spec: Any, kinds: Mapping[str, str] | None = None) -> None:
        self._kinds = kinds or {}
        self._loaded = tf.saved_model.load(str(folder))
        told = _description(folder)
        self._rows = _rows(told)
        self._inputs = told.inputs if told else {}
        self._other_types = False
        signatures = self._loaded.signatures
        predict = signatures[spec.signature_name or "serving_default"]
        transform = signatures[spec.preprocessing_function_names[0]]
        features, answered = transform.structured_outputs, predict.structured_outputs
        keys = {} if _of_text(spec) else _keys(spec)
        for label, prediction in keys.values():
            _check_shapes(features[label].shape, answered[prediction].shape)
        self.outputs = {name: answered[keys[name][1]].shape[1] for name in keys} or {"": None}
        self.features = frozenset(features)
        weight = spec.example_weight_key

        def judged(examples: tf.Tensor) -> tuple[dict[str, tuple[Any, ...]], tf.Tensor]:
            features, answers = transform(examples), predict(examples)
            weights = features[weight] if weight else tf.ones([tf.size(examples)])
            if not keys:
                return {"": (answers[names.REFERENCE], answers)}, weights
            return {n: (features[x], answers[y]) for n, (x, y) in keys.items()}, weights

        if weight and weight not in self.features:
            raise LookupError(f"no weights {weight!r}")
        signature = [tf.TensorSpec([None], tf.string)]
        self._judged = tf.function(judged, input_signature=signature, autograph=False)

    def judged(self, examples: Sequence[bytes]) -> dict[str, Judged]:
        """Returns labels, predictions and weights by output; a single output's name is empty.

        Args:
            examples: Serialized tf.Examples with raw features.
        """
        examples = comparability.converted(examples, self._kinds)
        starts = range(0, len(examples), self._rows)
        parts = [self._answered(examples[i : i + self._rows]) for i in starts]
        weights = np.concatenate([weights for _, weights in parts]).ravel().astype(float)
        _check_weights(weights)
        found = {}
        for name in self.outputs:
            labels, predictions = zip(*(outputs[name] for outputs, _ in parts), strict=True)
            joined = tf.nest.map_structure(lambda *each: np.concatenate(each), *predictions)
            found[name] = Judged(np.concatenate(labels).ravel(), joined, weights)
        return found

    def _answered(self, examples: Sequence[bytes]) -> Any:
        if self._other_types:
            examples = example_types.matched(examples, self._inputs)
        try:
            return self._judged(tf.constant(examples))
        except tf.errors.InvalidArgumentError:
            if self._other_types or not self._inputs:
                raise
        # A baseline was trained when whole numbers were integers, or floats, in the examples.
        self._other_types = True
        return self._answered(examples)


def _rows(told: description.Description | None) -> int:
    """How many rows are asked at once."""
    return told.rows(PREDICT_BYTES, at_most=PREDICT_ROWS) if told else PREDICT_ROWS


def _of_text(spec: Any) -> bool:
    """Whether what the model writes is judged, by all that this signature answers."""
    return bool(spec.signature_name == names.EVALUATION)


def _keys(spec: Any) -> dict[str, tuple[str, str]]:
    """The names of label and prediction, by output."""
    if spec.label_key:
        return {"": (spec.label_key, spec.prediction_key)}
    return {name: (spec.label_keys[name], spec.prediction_keys[name]) for name in spec.label_keys}


def _check_shapes(label: Any, prediction: Any) -> None:
    if len(prediction) != 2 or tuple(label[1:]) not in ((), (1,)):
        raise LookupError(f"a label {label} for predictions {prediction}")


def _check_weights(weights: Array) -> None:
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if bad := int(wrong.sum()):
        raise DataError(
            f"{bad} of {counted(len(weights), 'row')} to judge {agreeing(bad, 'has', 'have')} a "
            "weight that cannot be used",
            expected="a number, 0 or more",
            received=f"{weights[wrong][0]}",
            hint="mend the column that `data.weight` names",
        )


def _description(folder: Path) -> description.Description | None:
    there = (folder / description.FILE).exists()
    return description.read(folder) if there else None  # a model from elsewhere
