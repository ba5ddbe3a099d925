"""Channels in order and to scale."""

from __future__ import annotations

import keras
import numpy as np

from trainyard.trainer_modules.layers.channels import ChannelScaling


def test_order_scale_and_offset():
    layer = ChannelScaling([2, 1, 0], [10, 1, 1], [0, 0, 5])
    image = np.array([[[[1.0, 2.0, 3.0]]]], np.float32)
    np.testing.assert_array_equal(layer(image), [[[[30, 2, 6]]]])


def test_it_survives_saving(tmp_path):
    image = keras.Input((2, 2, 3))
    keras.Model(image, ChannelScaling([0, 1, 2], [2.0] * 3, [1.0] * 3)(image)).save(
        tmp_path / "model.keras"
    )
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(np.ones((1, 2, 2, 3))), np.full((1, 2, 2, 3), 3.0))
