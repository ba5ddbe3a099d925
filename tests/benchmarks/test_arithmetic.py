"""Operations are counted as one would by hand."""

from __future__ import annotations

import keras
import pytest

from benchmarks import arithmetic


def test_a_product_is_two_operations_a_multiply_add():
    image = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(5, 3, padding="same")(image)
    maps = keras.layers.DepthwiseConv2D(3, padding="same")(maps)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(maps)))
    by_hand = 2 * (64 * 9 * 3 * 5 + 64 * 9 * 5 + 64 * 5 * 2)
    assert arithmetic.forward(model) == by_hand
    assert arithmetic.training(model) == 3 * by_hand


def test_resnet_50_is_what_its_authors_say():
    """He et al. 2016, table 1: 3.8e9 multiply-adds."""
    model = keras.applications.ResNet50(weights=None)
    assert arithmetic.forward(model) / 2 == pytest.approx(3.8e9, rel=0.03)


def test_what_is_not_counted_is_refused():
    words = keras.Input((4, 8))
    attended = keras.layers.MultiHeadAttention(2, 4)(words, words)
    with pytest.raises(ValueError, match="Einsum"):
        arithmetic.forward(keras.Model(words, attended))


@pytest.mark.parametrize(
    ("device", "share"),
    [("NVIDIA H100 80GB HBM3", 0.5), ("NVIDIA H100 PCIe", 0.654), ("Some other chip", None)],
)
def test_the_peak_is_the_chips_own(device, share):
    reached = arithmetic.share_of_peak(494.7e12, device, "mixed_bfloat16")
    assert reached == (share and pytest.approx(share, abs=1e-3))
