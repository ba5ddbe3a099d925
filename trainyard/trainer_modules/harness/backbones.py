"""Networks that turn an image into a feature map, by name, and the weights they start from.

The names are those of `keras.applications`, looked up there. A model that an earlier run
pushed is a backbone too: up to its layer `FEATURES`.
"""

from __future__ import annotations

import inspect
import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import keras
import numpy as np
from pydantic import AfterValidator

from trainyard.errors import EnvironmentProblem, RecipeError, nearest
from trainyard.trainer_modules.harness import weights_file
from trainyard.trainer_modules.harness.construct import construct
from trainyard.trainer_modules.harness.weights_file import Weights
from trainyard.trainer_modules.layers.channels import ChannelScaling
from trainyard.trainer_modules.layers.inference import InferenceModel

FEATURES = "summary"
"""The layer, by convention of all image modules, whose output is an image's vector."""

BACKBONE = "backbone"
"""The name of the backbone within a model."""


def known() -> dict[str, Callable[..., keras.Model]]:
    """Returns what builds the networks of `keras.applications`, by name."""
    return {
        name: build
        for name, build in inspect.getmembers(keras.applications, inspect.isfunction)
        if "include_top" in inspect.signature(build).parameters
    }


def known_name(name: str) -> str:
    """Checks a backbone's name.

    Raises:
        ValueError: There is no such network.
    """
    if name not in known():
        raise ValueError(f"keras.applications has no {name!r}; {nearest(name, known())}")
    return name


Name = Annotated[str, AfterValidator(known_name)]


def feature_map(
    image: keras.KerasTensor, name: str, weights: Weights, options: Mapping[str, Any]
) -> keras.KerasTensor:
    """Puts a backbone on an image; as long as its weights come from elsewhere, in inference mode.

    In inference mode batch normalization goes by what it learned at first, even
    if its backbone is trained further; `none` is an ordinary network in training.

    Args:
        image: `[B, H, W, C]`, 0 to 1; one channel is repeated where three are needed.
        name: In `keras.applications`; not read if `weights` names a Trainyard model.
        weights: What the network starts from.
        options: For the network's constructor, such as `alpha`.

    Returns:
        `[B, h, w, width]`, or `[B, width]` of a model that Trainyard pushed.

    Raises:
        RecipeError: The image does not fit the network, or the weights do not.
        EnvironmentProblem: The ImageNet weights cannot be downloaded.
    """
    shape = tuple(image.shape[1:])
    file = weights_file.file_of(weights)
    model = weights_file.loaded(file) if file and file.suffix == ".keras" else None
    if model is not None and FEATURES in _layer_names(model):
        return _up_to_features(model, shape)(image)
    if model is None:
        model = _application(name, (*shape[:2], 3), str(weights), options)
        if file:
            _load_weights(model, file, name)
    scaled = scaling(name)(_three_channels(image))
    _check_shape(model, tuple(scaled.shape[1:]), name)
    kind = keras.Model if weights == "none" else InferenceModel
    network = kind(model.inputs, model.outputs[0], name=BACKBONE)
    if weights == "none":
        _follow_quickly(network)
    return network(scaled)


def _follow_quickly(network: keras.Model) -> None:
    # Averages that follow the batches at 0.99 or 0.999 need thousands of steps.
    for layer in _leaves(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, 0.9)


def scaling(name: str) -> keras.layers.Layer:
    """Makes the layer that takes pixels of 0 to 1 to what a network was trained on.

    Read off the network's own `preprocess_input`: it reorders, scales and shifts
    channels, so four colours say all about it.

    Args:
        name: In `keras.applications`.
    """
    module = known()[name].__module__.rsplit(".", 1)[-1]
    preprocess = getattr(keras.applications, module).preprocess_input
    colours = np.concatenate([np.zeros((1, 3)), 255.0 * np.eye(3)]).astype(np.float32)
    answers = np.asarray(preprocess(colours.reshape(4, 1, 1, 3))).reshape(4, 3)
    slopes = answers[1:] - answers[0]  # (channel in, channel out)
    order = np.abs(slopes).argmax(axis=0)
    scale = slopes[order, range(3)]
    return ChannelScaling(
        order.tolist(), scale.tolist(), answers[0].tolist(), name=f"{BACKBONE}_scaling"
    )


def _three_channels(image: keras.KerasTensor) -> keras.KerasTensor:
    channels = image.shape[-1]
    if channels == 1:
        return keras.layers.Concatenate(name="grey_as_colours")([image, image, image])
    if channels != 3:
        raise RecipeError(
            f"a backbone of keras.applications takes no images of {channels} channels",
            where="features",
            expected="channels: 3, or 1",
            received=f"channels: {channels}",
            hint="set `channels: 3` on the image feature",
        )
    return image


def _application(
    name: str, shape: tuple[int, ...], weights: str, options: Mapping[str, Any]
) -> keras.Model:
    build = known()[name]
    fixed = {
        "include_top": False,
        "weights": "imagenet" if weights == "imagenet" else None,
        "input_shape": shape,
        "input_tensor": None,
        "pooling": None,
        "classes": 1000,
        "classifier_activation": None,
        "include_preprocessing": True,
    }
    takes = inspect.signature(build).parameters
    taken = {key: value for key, value in fixed.items() if key in takes}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that images are of another size than ImageNet's
            return construct(cast(Any, build), options, "trainer.params.options", **taken)
    except RecipeError as error:
        raise _too_small(name, shape, error) or error from None
    except Exception as error:
        raise _not_downloaded(name, error) or error from None


def _too_small(name: str, shape: tuple[int, ...], error: RecipeError) -> RecipeError | None:
    found = re.search(r"at least (\d+)x(\d+)", error.expected)
    return found and RecipeError(
        f"the images are too small for {name}",
        where="features",
        expected=f"at least {found[1]} x {found[2]} pixels",
        received=f"{shape[0]} x {shape[1]}",
        hint=f"set `size: [{found[1]}, {found[2]}]` or more on the image feature",
    )


def _not_downloaded(name: str, error: Exception) -> EnvironmentProblem | None:
    # Keras raises a bare Exception, whose message holds the address.
    found = re.match(r"URL fetch failure on (\S+): (.*)", str(error), re.DOTALL)
    if not found:
        return None
    cached = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    return EnvironmentProblem(
        f"the ImageNet weights of {name} cannot be downloaded",
        where=weights_file.WHERE,
        expected=found[1],
        received=found[2],
        hint=f"download that file where there is a network and put it into {cached}; or "
        f"give `weights: FILE`, what keras.applications.{name}(include_top=False)"
        ".save('FILE.keras') wrote; or `weights: {recipe: NAME}`, a model that Trainyard pushed; "
        "or start from random numbers with `weights: none`",
    )


def _load_weights(model: keras.Model, file: Path, name: str) -> None:
    if known()[name].__module__.endswith(".efficientnet"):
        # With its ImageNet weights goes a scaling layer, which a file of weights does not hold.
        raise weights_file.unusable(file, f"a .keras file, for {name}", "weights alone")
    try:
        model.load_weights(file)
    except (ValueError, KeyError, OSError) as error:
        raise weights_file.unusable(
            file, f"weights of {name} without its top", str(error)
        ) from error


def _layer_names(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers]


def _up_to_features(model: keras.Model, shape: tuple[int, ...]) -> keras.Model:
    images = [tensor for tensor in model.inputs if len(tensor.shape) == 4]
    vector = model.get_layer(FEATURES).output
    cut = InferenceModel(images[0], vector, name=BACKBONE)
    _check_shape(cut, shape, "the pushed model")
    return cut


def _check_shape(model: keras.Model, shape: tuple[int, ...], name: str) -> None:
    wanted = tuple(model.inputs[0].shape[1:])
    if any(ours != theirs for ours, theirs in zip(shape, wanted, strict=True) if theirs):
        raise RecipeError(
            f"the images do not have the size that {name} was trained on",
            where="features",
            expected=f"size: [{wanted[0]}, {wanted[1]}], channels: {wanted[2]}",
            received=f"size: [{shape[0]}, {shape[1]}], channels: {shape[2]}",
            hint="set `size` and `channels` on the image feature",
        )


def vector(features: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    """Pools a feature map to one vector an image.

    Args:
        features: `[B, h, w, width]`, or `[B, width]`, which stays as it is.
        pooling: `average` or `max`.

    Returns:
        `[B, width]`, from the layer `FEATURES`.
    """
    if len(features.shape) == 2:
        return keras.layers.Identity(name=FEATURES)(features)
    kind = {"average": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}
    return kind[pooling](name=FEATURES)(features)


def learners(backbone: keras.Model) -> list[keras.layers.Layer]:
    """Lists a backbone's layers that fine-tuning may train, from the image to the vector.

    Args:
        backbone: A model, in which there may be models.

    Returns:
        Those that have trainable weights, batch normalization apart.
    """
    fixed = (keras.layers.BatchNormalization, keras.layers.Normalization)
    return [layer for layer in _leaves(backbone) if layer.weights and not isinstance(layer, fixed)]


def _leaves(model: keras.Model) -> list[keras.layers.Layer]:
    found: list[keras.layers.Layer] = []
    for layer in model.layers:
        found += _leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def free(backbone: keras.Model, count: int) -> None:
    """Lets a backbone's top layers learn, and freezes all others.

    Args:
        backbone: The model.
        count: How many of its `learners`.
    """
    backbone.trainable = count > 0  # of everything within
    layers = learners(backbone)
    top = {id(layer) for layer in layers[max(0, len(layers) - count) :]}
    for layer in _leaves(backbone):
        layer.trainable = id(layer) in top
