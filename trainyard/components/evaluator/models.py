"""Labels and predictions of a SavedModel, in large batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from trainyard.errors import DataError

PREDICT_ROWS = 4096  # bounds what the layers of a wide network hold at a time
BLOCK_ROWS = 8 * PREDICT_ROWS
BLOCK_BYTES = 1 << 24

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

        self._both = tf.function(both, input_signature=[tf.TensorSpec([None], tf.string)])

    def labels_and_predictions(self, examples: Sequence[bytes]) -> tuple[Array, Array]:
        """Returns labels `(rows,)` and predictions `(rows, outputs)`.

        Args:
            examples: Serialized tf.Examples with raw features.
        """
        starts = range(0, len(examples), PREDICT_ROWS)
        parts = [self._both(tf.constant(examples[i : i + PREDICT_ROWS])) for i in starts]
        labels, predictions = zip(*parts, strict=True)
        return np.concatenate(labels).ravel(), np.concatenate(predictions)


def blocks(files: Sequence[Path]) -> Iterator[list[bytes]]:
    """Reads TFRecord files, gzip or plain, as lists of a few thousand records.

    Raises:
        DataError: A file is damaged.
    """
    for file in files:
        compression = "GZIP" if file.suffix == ".gz" else ""
        records = tf.data.TFRecordDataset(str(file), compression)
        try:
            for batch in records.batch(_rows_a_block(records)).prefetch(1).as_numpy_iterator():
                yield batch.tolist()
        except tf.errors.DataLossError as error:
            raise DataError(
                f"this is not a whole TFRecord file: {error.message.splitlines()[0]}",
                where=str(file),
            ) from None


def _rows_a_block(records: Any) -> int:
    for record in records.take(1).as_numpy_iterator():
        return max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, len(record))))
    return BLOCK_ROWS
