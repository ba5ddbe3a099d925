"""A network in inference mode within a model that is trained."""

from __future__ import annotations

import keras
import numpy as np

from trainyard.trainer_modules.layers.inference import InferenceModel


def around(kind: type[keras.Model]) -> keras.Model:
    """A model with a network in it that is another one in training."""
    keras.utils.set_random_seed(2)
    image = keras.Input((8, 8, 1))
    maps = keras.layers.RandomRotation(0.4, seed=1)(image)
    maps = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(maps))
    vector = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(maps))
    network = kind(image, vector, name="network")
    given = keras.Input((8, 8, 1))
    model = keras.Model(given, keras.layers.Dense(1)(network(given, training=False)))
    model.compile("sgd", "mse")
    return model


IMAGES = np.random.default_rng(0).random((6, 8, 8, 1)).astype(np.float32)


def differs(model: keras.Model) -> bool:
    answers = [np.asarray(model(IMAGES, training=mode)) for mode in (True, False)]
    return not np.array_equal(*answers)


def test_the_mode_of_the_model_around_it_does_not_matter():
    assert differs(around(keras.Model)), "Keras keeps training=False by itself: do without"
    assert not differs(around(InferenceModel))


def test_it_learns_and_its_statistics_stay():
    model = around(InferenceModel)
    network = model.get_layer("network")
    _, _, convolution, normalization, *_ = network.layers
    before = [weight.numpy() for weight in convolution.weights]
    model.fit(IMAGES, np.ones((6, 1)), verbose=0)
    assert not np.array_equal(convolution.weights[0].numpy(), before[0])
    np.testing.assert_array_equal(normalization.moving_mean, np.zeros(4))


def test_a_saved_one_is_still_one(tmp_path):
    model = around(InferenceModel)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.get_layer("network")) is InferenceModel
    np.testing.assert_array_equal(again(IMAGES), model(IMAGES))
    assert not differs(again)
