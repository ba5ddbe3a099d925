"""One vector from a sequence of them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainyard.trainer_modules.layers.pooling import MaskedAverage, MaskedMaximum

VECTORS = np.array([[[1.0, -2.0], [3.0, -4.0], [50.0, 50.0]]] * 2, np.float32)
MASK = np.array([[True, True, False], [False, False, False]])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [(MaskedAverage(), [[2.0, -3.0], [0.0, 0.0]]), (MaskedMaximum(), [[3.0, -2.0], [0.0, 0.0]])],
)
def test_what_is_masked_does_not_count(layer, expected):
    np.testing.assert_allclose(layer(VECTORS, mask=MASK), expected)
    assert layer.compute_mask(VECTORS, MASK) is None


def test_without_a_mask_all_count():
    np.testing.assert_allclose(MaskedAverage()(VECTORS)[0], [18.0, 44.0 / 3], rtol=1e-6)
    np.testing.assert_allclose(MaskedMaximum()(VECTORS)[0], [50.0, 50.0])


@pytest.mark.parametrize("layer", [MaskedAverage, MaskedMaximum])
def test_more_padding_changes_nothing_and_it_survives_saving(layer, tmp_path):
    ids = keras.Input((None,), dtype="int64")
    pooled = layer()(keras.layers.Embedding(9, 4, mask_zero=True)(ids))
    model = keras.Model(ids, pooled)
    short = np.array([[1, 2, 3], [4, 0, 0], [0, 0, 0]])
    padded = np.pad(short, [(0, 0), (0, 5)])
    np.testing.assert_allclose(model(short), model(padded), rtol=1e-6)
    assert np.asarray(model(short))[2].tolist() == [0.0] * 4
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(padded), model(padded))


@pytest.mark.parametrize("layer", [MaskedAverage, MaskedMaximum])
def test_half_precision_stays_finite(layer):
    pooled = layer(dtype="float16")(VECTORS.astype(np.float16), mask=MASK)
    assert np.isfinite(pooled).all()
