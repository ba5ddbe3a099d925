"""Every branch of the vision transformer."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainyard.trainer_modules.layers.vision_transformer import Transformer


def built(**options) -> keras.Model:
    size = Transformer(**{"patch": 8, "width": 12, "depth": 1, "heads": 3} | options)
    image = keras.Input((17, 24, 3))
    return keras.Model(image, size(image))


@pytest.mark.parametrize(("token", "length"), [("class", 7), ("mean", 6)])
def test_tokens(token, length):
    model = built(token=token)
    assert model.output_shape == (None, 12)
    assert model.get_layer("positions").output.shape == (None, length, 12)


@pytest.mark.parametrize("token", ["class", "mean"])
def test_every_patch_and_its_place_counts(token):
    model = built(token=token)
    positions = model.get_layer("positions")
    positions.positions.assign(np.random.default_rng(0).normal(size=positions.positions.shape))
    image = np.random.default_rng(0).random((1, 17, 24, 3)).astype(np.float32)
    swapped = np.concatenate([image[:, :, 8:16], image[:, :, :8], image[:, :, 16:]], axis=2)
    one, other = (model.predict(x, verbose=0) for x in (image, swapped))
    assert not np.allclose(one, other, atol=1e-4)


def test_size_of_vit_s():
    image = keras.Input((224, 224, 3))
    model = keras.Model(image, Transformer()(image))
    assert model.count_params() == 21_665_664  # ViT-S/16 without its head
