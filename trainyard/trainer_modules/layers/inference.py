"""A network that stays in inference mode while the model around it is trained."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="trainyard")
class InferenceModel(keras.Model):  # type: ignore[misc]  # Keras is not typed
    """A functional model that does not follow the mode of the model around it.

    Batch normalization goes by what it has learned, and nothing in it drops or changes values
    by chance. Its weights can be trained nevertheless. `network(x, training=False)` would not do:
    when a functional model is called, Keras 3.15 hands its own mode to every layer in it.

    Args:
        inputs: As `keras.Model` takes them.
        outputs: As `keras.Model` takes them.
        name: As `keras.Model` takes it.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns what the network makes of the inputs in inference mode."""
        del training
        return super().call(inputs, training=False, mask=mask)
