"""Warm-up: the first requests to a graph take longest, and no client should wait for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from trainyard.serving import methods, tensors
from trainyard.serving.errors import ServingError, invalid_argument
from trainyard.serving.model import SavedModel, Signature

FILE = Path("assets.extra") / "tf_serving_warmup_requests"
"""TFRecords of PredictionLog; TensorFlow Serving reads the same."""

MAX_RECORDS = 1000  # TensorFlow Serving's kMaxNumRecords


def warm_up(model: SavedModel, folder: Path) -> int:
    """Asks a loaded model what its own folder says, or nothing at all, once for each signature.

    Args:
        model: Just loaded.
        folder: Where it was loaded from.

    Returns:
        How many recorded requests were made.

    Raises:
        ServingError: A recorded request failed: the version must not be served.
    """
    for signature in model.signatures.values():
        _optimize(model, signature)
    count = 0
    for count, log in enumerate(read(folder), start=1):
        if count > MAX_RECORDS:
            raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_RECORDS})")
        methods.replay(model, log)
    return count


def _optimize(model: SavedModel, signature: Signature) -> None:
    """Sends no rows through a signature: TensorFlow then optimizes its graph."""
    empty = [
        np.zeros([size or 0 for size in given.shape], given.dtype)
        for given in signature.inputs.values()
        if given.shape is not None
    ]
    if len(empty) == len(signature.inputs):
        with suppress(ServingError):  # a graph may need rows; optimized it is anyway
            model.run(signature.name, empty)


def read(saved_model: Path) -> Iterator[prediction_log_pb2.PredictionLog]:
    """Reads the requests that a version is warmed up with; there may be none.

    Args:
        saved_model: Its folder.
    """
    file = saved_model / FILE
    if file.exists():
        for record in tf.data.TFRecordDataset([str(file)]).as_numpy_iterator():
            yield prediction_log_pb2.PredictionLog.FromString(record)


def predictions(examples: Sequence[bytes]) -> Iterator[prediction_log_pb2.PredictionLog]:
    """Makes Predict requests to `serving_default`: of one row, and of all.

    Args:
        examples: Serialized tf.Examples.
    """
    for rows in ([examples[0]], examples):
        log = prediction_log_pb2.PredictionLog()
        given = log.predict_log.request.inputs["examples"]
        tensors.to_proto(np.array(rows, object), given)
        yield log


def write(saved_model: Path, logs: Iterable[prediction_log_pb2.PredictionLog]) -> None:
    """Writes the requests that a version is to be warmed up with.

    Args:
        saved_model: Its folder, not yet served.
        logs: At most `MAX_RECORDS`.
    """
    file = saved_model / FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())
