"""What Keras 3.15.1 needs to train with several workers; every name here is private to it.

Two of its steps fail on the values of `MultiWorkerMirroredStrategy`: building a model from
a distributed batch (it averages the batch over devices as if it were one tensor), and
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
