"""Labels and predictions of a SavedModel, in large batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainyard.trainer_modules.harness import description

PREDICT_ROWS = 4096
PREDICT_BYTES = 8 << 20  # of decoded images; the layers of a network hold many times that

Array = NDArray[Any]


class Model:
    """A SavedModel that answers from serialized tf.Examples.

    Args:
        folder: Where it lies.
        spec: Its `tfma.ModelSpec`: names of signatures, of the label and of the prediction.

    Raises:
        LookupError: It has not got what `spec` names.
    """

    def __init__(self, folder: Path, spec: Any) -> None:
        self._loaded = tf.saved_model.load(str(folder))
        self._rows = _rows(folder)
        signatures = self._loaded.signatures
        predict = signatures[spec.signature_name or "serving_default"]
        transform = signatures[spec.preprocessing_function_names[0]]
        prediction = predict.structured_outputs[spec.prediction_key]
        label = transform.structured_outputs[spec.label_key]
        if len(prediction.shape) != 2 or tuple(label.shape[1:]) not in ((), (1,)):
            raise LookupError(f"a label {label.shape} for predictions {prediction.shape}")
        self.outputs: int | None = prediction.shape[1]
        self.features = frozenset(transform.structured_outputs)

        def both(examples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return transform(examples)[spec.label_key], predict(examples)[spec.prediction_key]

        signature = [tf.TensorSpec([None], tf.string)]
        self._both = tf.function(both, input_signature=signature, autograph=False)

    def labels_and_predictions(self, examples: Sequence[bytes]) -> tuple[Array, Array]:
        """Returns labels `(rows,)` and predictions `(rows, outputs)`.

        Args:
            examples: Serialized tf.Examples with raw features.
        """
        starts = range(0, len(examples), self._rows)
        parts = [self._both(tf.constant(examples[i : i + self._rows])) for i in starts]
        labels, predictions = zip(*parts, strict=True)
        return np.concatenate(labels).ravel(), np.concatenate(predictions)


def _rows(folder: Path) -> int:
    if not (folder / description.FILE).exists():  # a model from elsewhere
        return PREDICT_ROWS
    return description.read(folder).rows(PREDICT_BYTES, at_most=PREDICT_ROWS)
