"""Backbones by name, the scaling of their pixels, and where their weights come from."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest

from trainyard.errors import EnvironmentProblem, RecipeError
from trainyard.trainer_modules.harness import backbones
from trainyard.trainer_modules.harness.weights_file import PUSHED_MODEL, Pushed

FAMILIES = {build.__module__: name for name, build in backbones.known().items()}
SMALL, OPTIONS = "MobileNet", {"alpha": 0.25}


def network(weights, shape=(32, 32, 3), name=SMALL, options=OPTIONS) -> keras.Model:
    image = keras.Input(shape, name="image")
    maps = backbones.feature_map(image, name, weights, options)
    return keras.Model(image, backbones.vector(maps, "average"))


def small(**options) -> keras.Model:
    return keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25, **options)


def test_names_are_keras_own():
    assert {"VGG16", "Xception", "EfficientNetB0", "EfficientNetV2S", "ConvNeXtTiny"} <= set(
        backbones.known()
    )
    assert len(FAMILIES) >= 12
    with pytest.raises(ValueError, match="did you mean 'Xception'"):
        backbones.known_name("Xcepton")


@pytest.mark.parametrize("name", FAMILIES.values())
def test_scaling_is_what_the_family_was_trained_on(name):
    module = backbones.known()[name].__module__.rsplit(".", 1)[-1]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(np.float32)
    expected = getattr(keras.applications, module).preprocess_input(pixels.copy())
    found = backbones.scaling(name)(pixels / 255)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_vgg_takes_blue_first():
    assert backbones.scaling("VGG16").order == [2, 1, 0]


@pytest.mark.parametrize(("name", "size"), [(SMALL, 32), ("Xception", 71), ("InceptionV3", 75)])
def test_too_small(name, size):
    with pytest.raises(RecipeError, match=rf"(?s)too small for {name}.*at least {size} x {size}"):
        network("none", (size - 1, size + 9, 3), name, {})


def test_grey_is_repeated():
    grey = network("none", (32, 32, 1))
    colour = network("none", (32, 32, 3))
    colour.set_weights(grey.get_weights())
    image = np.random.default_rng(1).random((2, 32, 32, 1)).astype(np.float32)
    expected = colour.predict(np.repeat(image, 3, axis=-1), verbose=0)
    np.testing.assert_array_equal(grey.predict(image, verbose=0), expected)


def test_four_channels():
    with pytest.raises(RecipeError, match=r"(?s)4 channels.*channels: 3, or 1"):
        network("none", (32, 32, 4))


def test_unknown_options():
    with pytest.raises(RecipeError, match=r"(?s)no option 'alfa'.*did you mean 'alpha'"):
        network("none", options={"alfa": 0.25})
    with pytest.raises(RecipeError, match="has no option 'include_top'"):
        network("none", options={"include_top": True})


def test_imagenet_without_a_network(monkeypatch, tmp_path):
    # A real attempt at a download, from an address that answers nowhere.
    monkeypatch.setattr(
        "keras.src.applications.mobilenet.BASE_WEIGHT_PATH", "http://127.0.0.1:9/mobilenet/"
    )
    with pytest.raises(EnvironmentProblem) as error:
        network("imagenet")
    assert "http://127.0.0.1:9/mobilenet/mobilenet_2_5_224_tf_no_top.h5" in error.value.expected
    for word in (".keras/models", "weights: FILE", "weights: {recipe: NAME}", "weights: none"):
        assert word in error.value.hint


def test_a_file_of_weights(tmp_path):
    trained = small(input_shape=(64, 64, 3))
    trained.save_weights(tmp_path / "a.weights.h5")
    found = network(str(tmp_path / "a.weights.h5")).get_layer(backbones.BACKBONE)
    for one, other in zip(found.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_of_a_whole_network(tmp_path):
    trained = small()
    trained.save(tmp_path / "a.keras")
    image = np.random.default_rng(1).random((2, 32, 32, 3)).astype(np.float32)
    maps = trained.predict(keras.applications.mobilenet.preprocess_input(image * 255), verbose=0)
    found = network(str(tmp_path / "a.keras")).predict(image, verbose=0)
    np.testing.assert_allclose(found, maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)


def test_a_file_of_another_network(tmp_path):
    file = tmp_path / "a.weights.h5"
    keras.applications.MobileNetV2(include_top=False, weights=None).save_weights(file)
    with pytest.raises(RecipeError, match=r"(?s)do not fit.*weights of MobileNet without its top"):
        network(str(file))


def test_efficient_nets_scaling_is_not_in_their_weights(tmp_path):
    (tmp_path / "a.weights.h5").touch()
    with pytest.raises(RecipeError, match=r"(?s)do not fit.*a \.keras file, for EfficientNetB0"):
        network(str(tmp_path / "a.weights.h5"), name="EfficientNetB0", options={})


@pytest.mark.parametrize("given", ["nothing.keras", "imagnet", "notes.txt"])
def test_no_such_file(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RecipeError, match=r"no such file of weights"):
        network(given)


def push(serving, version: int, width: int, augmentation=lambda image: image) -> keras.Model:
    """As an image module's run leaves it: numbers beside the image, and a head."""
    image, numbers = keras.Input((32, 32, 3), name="image"), keras.Input((2,), name="numeric")
    maps = keras.layers.Conv2D(width, 3, activation="relu")(augmentation(image))
    maps = keras.layers.BatchNormalization()(maps)
    vector = backbones.vector(maps, "max")
    joined = keras.layers.Concatenate()([vector, numbers])
    model = keras.Model(
        {"image": image, "numeric": numbers}, keras.layers.Dense(3, "softmax")(joined)
    )
    file = serving / str(version) / PUSHED_MODEL
    file.parent.mkdir(parents=True)
    model.save(file)
    return model


@pytest.fixture
def serving(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    return tmp_path / "serving" / "first"


def test_a_pushed_model_up_to_its_vector(serving):
    push(serving, 9, 4)
    newest = push(serving, 10, 5)
    found = network(Pushed("first"))
    x = {"image": np.ones((2, 32, 32, 3), np.float32), "numeric": np.zeros((2, 2), np.float32)}
    vector = keras.Model(newest.inputs, newest.get_layer(backbones.FEATURES).output)
    np.testing.assert_allclose(found.predict(x["image"], verbose=0), vector(list(x.values())))
    assert network(Pushed("first", 9)).output_shape == (None, 4)
    assert network(str(serving / "9")).output_shape == (None, 4)


def test_a_pushed_model_of_other_images(serving):
    push(serving, 1, 4)
    with pytest.raises(RecipeError, match=r"(?s)size: \[32, 32\], channels: 3.*channels: 1"):
        network(Pushed("first"), (32, 32, 1))


def test_nothing_was_pushed(serving):
    with pytest.raises(RecipeError, match="has pushed no such model"):
        network(Pushed("first"))
    push(serving, 1, 4)
    with pytest.raises(RecipeError, match=r"(?s)version 7.*expected: 1"):
        network(Pushed("first", 7))


def test_pushed_without_its_keras_model(serving):
    push(serving, 1, 4)
    shutil.rmtree(serving / "1" / "assets.extra")
    with pytest.raises(RecipeError, match=r"(?s)an earlier Trainyard pushed it.*run its recipe"):
        network(Pushed("first"))


def test_free_counts_what_can_learn():
    model = network("none").get_layer(backbones.BACKBONE)
    layers = backbones.learners(model)
    backbones.free(model, 2)
    assert [layer.trainable for layer in layers[-3:]] == [False, True, True]
    assert len(model.trainable_variables) == sum(len(x.trainable_variables) for x in layers[-2:])
    assert not any(layer.trainable for layer in model.layers if "BatchNorm" in type(layer).__name__)
    backbones.free(model, 0)
    assert model.trainable_variables == []


def test_only_from_scratch_do_averages_follow_quickly(tmp_path):
    small().save(tmp_path / "a.keras")

    def momenta(model):
        layers = model.get_layer(backbones.BACKBONE).layers
        return {layer.momentum for layer in layers if hasattr(layer, "momentum")}

    assert momenta(network("none")) == {0.9}
    assert momenta(network(str(tmp_path / "a.keras"))) == {0.99}


def test_only_what_starts_from_nothing_follows_the_training_around_it(serving, tmp_path):
    small().save(tmp_path / "a.keras")
    push(serving, 1, 4, keras.layers.RandomFlip("vertical", seed=1))
    image = np.random.default_rng(1).random((16, 32, 32, 3)).astype(np.float32)

    def differs(weights):
        model = network(weights)
        return not np.array_equal(model(image, training=True), model(image, training=False))

    assert differs("none")
    assert not differs(str(tmp_path / "a.keras"))
    assert not differs(Pushed("first"))
