"""Every kind of encoder: padding counts for nothing, order does where it should."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from trainyard.errors import RecipeError
from trainyard.trainer_modules.layers.text_encoder import TextEncoder

KINDS = {
    "lstm": {"kind": "lstm"},
    "one way": {"kind": "lstm", "bidirectional": False, "depth": 2},
    "gru": {"kind": "gru", "depth": 2},
    "simple": {"kind": "simple_rnn"},
    "all states": {"kind": "gru", "pooling": "average"},
    "largest state": {"kind": "lstm", "pooling": "maximum", "depth": 2},
    "convolution": {"kind": "convolution", "kernels": (2, 3)},
    "deep convolution": {"kind": "convolution", "kernels": (3,), "depth": 2},
    "averaged convolution": {"kind": "convolution", "pooling": "average"},
    "transformer": {"kind": "transformer", "depth": 2},
    "largest token": {"kind": "transformer", "pooling": "maximum"},
    "average": {"kind": "average"},
}
IDS = np.array([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [6, 7, 0, 0, 0], [0, 0, 0, 0, 0]])


def built(**options) -> keras.Model:
    keras.utils.set_random_seed(1)
    encoder = TextEncoder(**{"units": 3, "heads": 2} | options)
    ids = keras.Input((None,), dtype="int64")
    tokens = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    return keras.Model(ids, encoder(tokens, ops.not_equal(ids, 0), "text", longest=12))


def predicted(model, ids):
    return np.asarray(model(ids, training=False))


@pytest.mark.parametrize("name", KINDS)
def test_padding_changes_nothing(name, tmp_path):
    model = built(**KINDS[name])
    # Weights that would show what a bias makes of padding.
    for weight in model.weights:
        weight.assign(np.random.default_rng(3).normal(size=weight.shape))
    short = predicted(model, IDS)
    np.testing.assert_allclose(short, predicted(model, np.pad(IDS, [(0, 0), (0, 7)])), atol=1e-5)
    np.testing.assert_allclose(short[2:3], predicted(model, IDS[2:3, :2]), atol=1e-5)
    assert np.isfinite(short).all()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(predicted(again, IDS), short, rtol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_order_counts_but_for_the_average(name):
    model = built(**KINDS[name])
    for weight in model.weights:
        weight.assign(np.random.default_rng(3).normal(size=weight.shape))
    forward, backward = predicted(model, IDS)[:2]
    assert np.allclose(forward, backward, atol=1e-5) == (name == "average")


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({"kind": "lstm"}, 6),
        ({"kind": "lstm", "bidirectional": False}, 3),
        ({"kind": "convolution"}, 9),
        ({"kind": "transformer"}, 4),
        ({"kind": "average"}, 4),
    ],
)
def test_width(options, width):
    assert built(**options).output_shape == (None, width)


@pytest.mark.parametrize("kind", ["convolution", "transformer", "average"])
def test_only_recurrent_layers_have_a_last_state(kind):
    with pytest.raises(RecipeError, match="no last state") as caught:
        built(kind=kind, pooling="last")
    assert caught.value.where == "trainer.params.encoder.pooling"


def test_heads_that_cannot_share_the_width():
    with pytest.raises(RecipeError, match=r"(?s)divisor of the width, 4.*received: 3"):
        built(kind="transformer", heads=3)


def test_a_simple_rnn_comes_with_a_warning():
    assert "gradients vanish" in next(TextEncoder(kind="simple_rnn").warnings("here"))
    assert not list(TextEncoder(kind="gru").warnings("here"))
