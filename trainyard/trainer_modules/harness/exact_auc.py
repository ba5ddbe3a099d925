"""The area under the ROC curve while training, as the Evaluator computes it.

Keras's own metric has 200 buckets of equal width: of scores that are all close to 0
or 1, as those of rare classes are, it makes one or two, and early stopping takes
another epoch than the one the Evaluator would.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from trainyard import exact_curves

MOST_ROWS = 4_000_000
"""Rows whose scores are kept, 12 bytes each. Of a larger split the first so many count."""


@keras.saving.register_keras_serializable(package="trainyard")
class ExactAuc(keras.metrics.Metric):  # type: ignore[misc]  # Keras is not typed
    """Keeps every row's score, label and weight, and sorts them once an epoch.

    Devices that share a batch keep their rows at places of their own; read together, as the
    sum over devices, they are all rows.

    Args:
        rows: Of the larger of the two splits.
        logits: Whether predictions come without activation.
        name: The metric's.
        dtype: Unused; scores have 32 bits.
    """

    def __init__(
        self, rows: int, logits: bool = False, name: str = "auc", dtype: str | None = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.rows, self.logits = rows, logits
        self._direction = "up"
        self.replicas = tf.distribute.get_strategy().num_replicas_in_sync
        # Where a batch has fewer rows than there are devices, some rows are taken twice.
        room = min(rows, MOST_ROWS) if self.replicas == 1 else min(2 * rows, MOST_ROWS)
        self.room = room + 2 * self.replicas
        self.seen = self.add_variable((self.room + 1, 3), "zeros", "float32", name="seen")
        self.count = self.add_variable((), "zeros", "int32", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Keeps a batch.

        Args:
            y_true: 0 or 1, or the share of the positive class, `[B, 1]`.
            y_pred: Scores of the positive class, `[B, 1]`.
            sample_weight: What rows count; 1 if None.
        """
        scores = tf.reshape(tf.cast(y_pred, tf.float32), [-1])
        labels = tf.reshape(tf.cast(y_true, tf.float32), [-1])
        weights = tf.ones_like(scores)
        if sample_weight is not None:
            weights *= tf.reshape(tf.cast(sample_weight, tf.float32), [-1])
        rows = tf.stack([scores, labels, weights], axis=1)
        count, seen, device = self._own()
        places = (count + tf.range(tf.size(scores))) * self.replicas + device
        # Behind the last place is one for all rows beyond.
        seen.scatter_nd_update(tf.minimum(places, self.room)[:, tf.newaxis], rows)
        count.assign_add(tf.size(scores))

    def _own(self) -> tuple[tf.Variable, tf.Variable, int]:
        """This device's part of the variables, and its number among all devices."""
        context = tf.distribute.get_replica_context()
        device = context.replica_id_in_sync_group if context else 0
        number = int(tf.get_static_value(device)) if tf.is_tensor(device) else int(device)
        local = tf.distribute.get_strategy().experimental_local_results
        parts = [local(each.value) for each in (self.count, self.seen)]
        count, seen = (part[number % len(part)] for part in parts)
        return count, seen, number

    def result(self) -> Any:
        """Returns the area over all rows so far.

        Within a graph 0: Keras asks there after each batch, and at the end of the epoch again.
        """
        if not tf.executing_eagerly():
            return tf.constant(0.0)
        seen = np.asarray(ops.convert_to_tensor(self.seen))[: self.room]
        scores, labels, weights = seen[seen[:, 2] > 0].T
        if self.logits:  # here and not in the graph: XLA rounds otherwise, and what is served ties
            scores = np.asarray(ops.sigmoid(scores))
        return tf.constant(exact_curves.auc(scores, labels, weights), tf.float64)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"rows": self.rows, "logits": self.logits, "name": self.name, "dtype": self.dtype}
