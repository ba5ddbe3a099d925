"""The SavedModel: transform graph and Keras model in one, for serving and for TFMA."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from numpy.typing import NDArray
from tensorflow_transform.saved import saved_transform_io_v2

from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import (
    columns,
    description,
    images,
    names,
    serving_methods,
)
from trainyard.trainer_modules.harness.columns import MISSING
from trainyard.trainer_modules.harness.config import TrainerConfig
from trainyard.trainer_modules.harness.weights_file import PUSHED_MODEL

MODEL_FILE = "model.keras"

RAW = "serving_raw"
"""The signature that takes a tensor a column. Missing values are `columns.MISSING`."""

ServingFn = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Signature:
    """One more thing that can be asked of a SavedModel.

    Attributes:
        function: Answers with tensors by name.
        inputs: Its arguments; None if it takes transformed features, the labels among them, and
            raw columns, both by name: clients send serialized tf.Examples then.
        resources: What it needs beside the model, such as tables.
        transforms: Whether the function is first given another one, from some raw columns to the
            transformed features that need no other column, both by name.
    """

    function: Callable[..., dict[str, tf.Tensor]]
    inputs: tuple[tf.TensorSpec, ...] | None = None
    resources: tuple[Any, ...] = ()
    transforms: bool = False


_SERIALIZED = tf.TensorSpec([None], tf.string, name="examples")
_INPUTS = tf.TensorSpec([None], tf.string, name=serving_methods.INPUTS)


def raw_parse_spec(transform_output: tft.TFTransformOutput) -> dict[str, Any]:
    """Returns how to parse raw examples, so that a feature may be missing from any of them.

    Args:
        transform_output: What Transform wrote.
    """
    return {
        name: tf.io.FixedLenFeature(entry.shape, entry.dtype, _missing(entry))
        if isinstance(entry, tf.io.FixedLenFeature)
        else entry
        for name, entry in transform_output.raw_feature_spec().items()
    }


def _missing(entry: tf.io.FixedLenFeature) -> Any:
    return np.full(entry.shape, MISSING[entry.dtype], dtype=entry.dtype.as_numpy_dtype)


def write(
    folder: Path,
    model: keras.Model,
    transform_output: tft.TFTransformOutput,
    config: TrainerConfig,
    told: description.Description,
    serving_fn: ServingFn,
    keras_file: Path,
    signatures: Mapping[str, Signature] | None = None,
) -> None:
    """Writes the SavedModel beside its place, then renames it.

    `serving_default` takes serialized tf.Examples, in which no label need be;
    `serving_raw` one tensor `[B]`, `[B, length]` for a series, for each raw column that is an
    input, and gives the same answers; `classify` and `regress`, one for each head, give them as
    TensorFlow Serving's methods of that name want them; `transform_features` returns the
    transformed features and the labels, each name ending in `names.SUFFIX`, the labels of a
    regression as float64. The Keras model is there too: a later training may start from it.

    Args:
        folder: Where to.
        model: It predicts from transformed features.
        transform_output: What Transform wrote.
        config: What the Trainer was told.
        told: What the model expects and answers.
        serving_fn: From transformed features to what is answered.
        keras_file: The model as Keras saved it.
        signatures: What else can be asked, by name.
    """
    graph = saved_transform_io_v2.SavedModelLoader(transform_output.transform_savedmodel_dir)
    with_label = raw_parse_spec(transform_output)
    image_inputs = names.by_key(config.images)
    hidden = {config.weight, *(label.name for label in config.labels)}
    without = {name: entry for name, entry in with_label.items() if name not in hidden}
    numbers = [names.label(n) for n, head in config.heads.items() if head.task == "regression"]

    def transformed(parsed: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        features = _without(config.targets, _transform(graph, parsed))
        there = {key: entry for key, entry in image_inputs.items() if key in features}
        return images.decoded(features, there)

    def features(raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return transformed({n: columns.as_parsed(raw[n], with_label[n]) for n in raw})

    def serving_default(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return serving_fn(transformed(tf.io.parse_example(examples, without)))

    def serving_raw(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return serving_fn(features({name: raw[told.tensors[name]] for name in told.inputs}))

    def transform_features(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = _transform(graph, tf.io.parse_example(examples, with_label))
        features |= {key: columns.as_number(features[key]) for key in numbers}
        return {f"{name}{names.SUFFIX}": tensor for name, tensor in features.items()}

    def of_examples(signature: Signature) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        def answer(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            raw = tf.io.parse_example(examples, with_label)
            return signature.function(images.decoded(_transform(graph, raw), image_inputs), raw)

        return answer

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(graph._imported)  # its vocabularies; the loader itself cannot be tracked
    predict = archive.add_endpoint("serving_default", serving_default, [_SERIALIZED])
    archive.add_endpoint(RAW, serving_raw, [_raw_tensors(told)])
    archive.add_endpoint("transform_features", transform_features, [_SERIALIZED])
    for head, name in serving_methods.signatures(told).items():
        answered = serving_methods.answer(predict, head, told.heads[head])
        archive.add_endpoint(name, answered, [_INPUTS])
    for name, signature in (signatures or {}).items():
        for resource in signature.resources:
            archive.track(resource)
        if signature.inputs is None:
            archive.add_endpoint(name, of_examples(signature), [_SERIALIZED])
        else:
            given = [features] if signature.transforms else []
            archive.add_endpoint(name, _given(signature, given), list(signature.inputs))
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    archive.write_out(str(beside), verbose=False)
    serving_methods.name_methods(beside, told)
    description.write(beside, told)
    shutil.copyfile(keras_file, beside / PUSHED_MODEL)
    if folder.exists():
        shutil.rmtree(folder)  # TFX makes it, empty
    beside.rename(folder)


def _given(signature: Signature, first: Sequence[Any]) -> Callable[..., dict[str, tf.Tensor]]:
    def answer(*sent: tf.Tensor) -> dict[str, tf.Tensor]:
        return signature.function(*first, *sent)

    return answer


def _raw_tensors(told: description.Description) -> dict[str, tf.TensorSpec]:
    return {
        name: tf.TensorSpec(
            [None, *_lengths(told, column)], tf.dtypes.as_dtype(told.inputs[column]), name=name
        )
        for column, name in told.tensors.items()
    }


def _lengths(told: description.Description, column: str) -> list[int]:
    """What shape a row of a raw column has."""
    return [told.series[column]] if column in told.series else []


def _transform(graph: Any, raw: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    return dict(graph.apply_transform_model(dict(raw)))


def _without(targets: Collection[str], features: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tensor for name, tensor in features.items() if name not in targets}


def answer(model: keras.Model, class_names: Mapping[str, Sequence[str]]) -> ServingFn:
    """Makes what is served if the trainer module has no `serving_fn` of its own.

    Args:
        model: It predicts from transformed features.
        class_names: By head and index; empty for regression.

    Returns:
        From transformed features to each head's `names.prediction`, `[B, 1]` or `[B, C]`, and
        for classes also `names.predicted_class`, `[B, 1]`, the name of the most probable.
    """
    known = {head: tf.constant(each, tf.string) for head, each in class_names.items() if each}

    def serving_fn(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = {}
        for head, numbers in names.parted(model(features, training=False)).items():
            outputs[names.prediction(head)] = numbers
            if head in known:
                most = tf.gather(known[head], _most_probable(numbers))
                outputs[names.predicted_class(head)] = most
        return outputs

    return serving_fn


def _most_probable(predictions: tf.Tensor) -> tf.Tensor:
    """Returns class indices `[B, 1]` of probabilities `[B, 1]` or `[B, C]`."""
    if predictions.shape[-1] == 1:
        return tf.cast(predictions > 0.5, tf.int64)
    return tf.argmax(predictions, axis=-1)[:, tf.newaxis]


def reference_predictions(
    model_run: Path,
    transform_folder: Path,
    serialized: Sequence[bytes],
    told: description.Description,
) -> Any:
    """Predicts through the training graph: Transform's output, then the Keras model.

    Args:
        model_run: The Trainer's `model_run` folder.
        transform_folder: The `transform_graph` that Transform wrote.
        serialized: Raw tf.Examples.
        told: What the model that was exported expects and answers.

    Returns:
        `[B, 1]` or `[B, C]`; by head if there are several.
    """
    from trainyard.trainer_modules.harness import writing

    transform_output = tft.TFTransformOutput(str(transform_folder))
    features = _transformed(transform_output, serialized)
    features = images.decoded(_without(told.targets, features), names.by_key(told.images))
    model = _trained(model_run, told)
    if told.writes:
        writer = writing.of(model, told, transform_output)
        return tf.function(writer.text, autograph=False)(features).numpy()
    # Compiled, as what is served is: TensorFlow then joins operations such as convolution and
    # batch normalization, which rounds in another way; a deep network shows that.
    compiled = tf.function(partial(model, training=False), autograph=False)
    return keras.tree.map_structure(np.asarray, compiled(features))


def reference_likelihood(
    model_run: Path,
    transform_folder: Path,
    serialized: Sequence[bytes],
    told: description.Description,
) -> NDArray[Any]:
    """Measures through the training graph how likely labels are to a model that writes.

    Args:
        model_run: As `reference_predictions` takes it, and what follows.
        transform_folder: Likewise.
        serialized: Likewise; with the label.
        told: Likewise.

    Returns:
        `[B, 3]`, as `names.LIKELIHOOD` says.
    """
    from trainyard.trainer_modules.harness import writing

    transform_output = tft.TFTransformOutput(str(transform_folder))
    writer = writing.of(_trained(model_run, told), told, transform_output)
    return np.asarray(writer.likelihood(_transformed(transform_output, serialized)))


def _transformed(
    transform_output: tft.TFTransformOutput, serialized: Sequence[bytes]
) -> dict[str, tf.Tensor]:
    raw = tf.io.parse_example(list(serialized), raw_parse_spec(transform_output))
    return dict(transform_output.transform_raw_features(raw))


def _trained(model_run: Path, told: description.Description) -> keras.Model:
    if told.module:
        registry.find(told.module)  # Keras has to know its layers
    return keras.saving.load_model(model_run / MODEL_FILE, compile=False)


def predicted(answers: Mapping[str, Any], told: description.Description) -> Any:
    """Takes the predictions out of what a signature answers.

    Args:
        answers: Tensors or arrays by name.
        told: What the model expects and answers.

    Returns:
        `[B, 1]` or `[B, C]`; by head if there are several.
    """
    return names.joined({h: np.asarray(answers[names.prediction(h)]) for h in told.heads})


def signatures_of_rows(told: description.Description) -> tuple[str, ...]:
    """Names the signatures that predict for each row, or judge what is predicted.

    Args:
        told: What the model expects and answers.
    """
    judging = (names.EVALUATION,) if told.writes else ()
    return ("serving_default", RAW, *serving_methods.signatures(told).values(), *judging)


class Served:
    """The SavedModel that is to be pushed, as its clients meet it.

    Args:
        saved_model: Its folder; loaded once for all signatures.
    """

    def __init__(self, saved_model: Path) -> None:
        self.told = description.read(saved_model)
        self._loaded = tf.saved_model.load(str(saved_model))

    def answers(self, signature: str, serialized: Sequence[bytes]) -> dict[str, NDArray[Any]]:
        """Asks one of `signatures_of_rows`.

        Args:
            signature: Its key.
            serialized: Raw tf.Examples; with the labels for `names.EVALUATION`.

        Returns:
            Arrays by name.
        """
        ask = self._loaded.signatures[signature]
        if signature == RAW:
            found = ask(**self._raw(serialized))
        else:
            found = ask(tf.constant(list(serialized)))
        return {name: np.asarray(tensor) for name, tensor in found.items()}

    def _raw(self, serialized: Sequence[bytes]) -> dict[str, tf.Tensor]:
        told = self.told
        spec = {n: tf.io.VarLenFeature(tf.dtypes.as_dtype(k)) for n, k in told.inputs.items()}
        parsed = tf.io.parse_example(list(serialized), spec)
        return {
            told.tensors[name]: tf.reshape(
                columns.dense(column, told.series.get(name, 1)), [-1, *_lengths(told, name)]
            )
            for name, column in parsed.items()
        }

    def predictions(self, serialized: Sequence[bytes]) -> Any:
        """Predicts through the signature `serving_default`.

        Args:
            serialized: Raw tf.Examples.

        Returns:
            `[B, 1]` or `[B, C]`; by head if there are several.
        """
        return predicted(self.answers("serving_default", serialized), self.told)

    def likelihood(self, serialized: Sequence[bytes]) -> NDArray[Any]:
        """Asks the signature `evaluation` of a model that writes how likely labels are to it.

        Args:
            serialized: Raw tf.Examples, with the label.

        Returns:
            `[B, 3]`, as `names.LIKELIHOOD` says.
        """
        return self.answers(names.EVALUATION, serialized)[names.LIKELIHOOD]

    def raw_predictions(self, serialized: Sequence[bytes]) -> Any:
        """Predicts as `predictions` does, through the signature `serving_raw`.

        Args:
            serialized: Raw tf.Examples.

        Returns:
            As `predictions`.
        """
        return predicted(self.answers(RAW, serialized), self.told)

    def of_methods(self, serialized: Sequence[bytes]) -> dict[str, dict[str, Any]]:
        """Asks the signatures for Classify and Regress.

        Args:
            serialized: Raw tf.Examples.

        Returns:
            By head, as far as it has one: what its signature answers, arrays by name.
        """
        methods = serving_methods.signatures(self.told)
        return {head: self.answers(name, serialized) for head, name in methods.items()}
