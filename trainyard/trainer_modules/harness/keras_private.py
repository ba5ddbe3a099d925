"""What is private to Keras 3.15.1: how several workers train, and what an optimizer follows.

Two of Keras's steps fail on the values of `MultiWorkerMirroredStrategy`: building a model
from a distributed batch (it averages the batch over devices as if it were one tensor), and
averaging scalar logs over workers (`reduce` along an axis that scalars have not got). The
first is done here from a plain batch. The second is left out: `fit` takes an epoch's
values from the metrics, whose totals are summed over all workers.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.src.backend.tensorflow import trainer as keras_trainer

KERAS = "3.15.1"


def build_from(model: keras.Model, batch: Any) -> None:
    """Builds model, metrics and optimizer, and keeps `fit` from doing it its own way.

    Args:
        model: Compiled under a strategy, in whose scope this is called.
        batch: What a dataset for `fit` yields, not distributed.
    """
    model._symbolic_build(data_batch=batch)
    model._maybe_symbolic_build = lambda **_: None
    keras_trainer._collective_all_reduce_multi_worker = lambda _: False


def schedule(
    optimizer: keras.optimizers.Optimizer,
) -> tuple[keras.optimizers.schedules.LearningRateSchedule | None, int]:
    """Returns what an optimizer's learning rate follows, if anything, and how far it has come.

    Args:
        optimizer: Its own `learning_rate` is the value at this step.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    followed = inner._learning_rate
    kind = keras.optimizers.schedules.LearningRateSchedule
    steps = int(keras.ops.convert_to_numpy(inner._iterations))  # mirrored, if there are devices
    return followed if isinstance(followed, kind) else None, steps
