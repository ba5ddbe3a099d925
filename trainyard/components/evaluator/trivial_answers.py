"""The trivial answers that a model has to beat, from the labels of the training split."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray
from tfx.types import Artifact
from tfx.types import standard_component_specs as names
from tfx.utils import path_utils, proto_utils

from trainyard.components.evaluator import gains, judged_rows
from trainyard.components.evaluator.companions import GAIN
from trainyard.components.evaluator.slice_keys import TYPES
from trainyard.components.records import tfrecord_blocks
from trainyard.errors import DataError
from trainyard.raw_values import stored_text
from trainyard.trainer_modules.harness import description
from trainyard.trainer_modules.harness import names as keys
from trainyard.trainer_modules.harness.token_ids import PADDING

Array = NDArray[Any]
Artifacts = Mapping[str, list[Artifact]]

_TRAIN = "train"
_ROWS = 4096  # labels that are transformed together


def filled(properties: dict[str, Any], inputs: Artifacts) -> dict[str, Any]:
    """Gives the metrics that compare with the trivial answer that answer.

    Args:
        properties: The Evaluator's.
        inputs: The Evaluator's.

    Returns:
        The properties, as they are if no metric asks for it.

    Raises:
        DataError: The training split has no label.
    """
    if not properties.get(names.EVAL_CONFIG_KEY):
        return properties
    config = tfma.EvalConfig()
    proto_utils.json_to_proto(properties[names.EVAL_CONFIG_KEY], config)
    found = [
        (metric, next(iter(spec.output_names), ""))
        for spec in config.metrics_specs
        for metric in spec.metrics
        if metric.module == gains.__name__
    ]
    if not found:
        return properties
    for metric, head in found:
        settings = json.loads(metric.config)
        labels = TrainingLabels(inputs, head, settings["label"], settings["weight"])
        answer = _ANSWERS[settings["name"].removesuffix(GAIN)](labels)
        metric.config = json.dumps(settings | {"answer": answer})
    return properties | {names.EVAL_CONFIG_KEY: proto_utils.proto_to_json(config)}


class TrainingLabels:
    """The labels of the training split, read when they are needed.

    Args:
        inputs: The Evaluator's.
        head: Whose labels.
        label: Their name in the examples.
        weight: The name of what a row counts; empty if all count alike.
    """

    def __init__(self, inputs: Artifacts, head: str, label: str, weight: str) -> None:
        self._inputs = inputs
        self._head = head
        self._key = f"{keys.label(head)}{keys.SUFFIX}"
        self._label = label
        self._weight = weight

    @functools.cached_property
    def numbers(self) -> tuple[Array, Array]:
        """Labels that are numbers, and their weights, each of shape `(rows,)`."""
        _, labels, weights = zip(*self._parts(), strict=True)
        return np.concatenate(labels), np.concatenate(weights)

    def _parts(self) -> Iterator[tuple[list[bytes], Array, Array]]:
        """Examples that have a label, their labels as they are in them, and their weights."""
        there = False
        for block in self._blocks():
            examples, labels, weights = self._labelled(block.records())
            there = there or bool(weights.sum() > 0)
            yield examples, labels, weights
        if not there:
            raise DataError(
                f"the training split has no row with a label {self._label!r}",
                hint="give more data, or another `data.split`",
            )

    def _blocks(self) -> Iterator[tfrecord_blocks.RecordBlock]:
        yield from tfrecord_blocks.read(judged_rows.of_split(self._inputs, _TRAIN))

    def _labelled(self, examples: list[bytes]) -> tuple[list[bytes], Array, Array]:
        wanted = {name: self._types[name] for name in (self._label, self._weight) if name}
        parsed = tf.io.parse_example(
            tf.constant(examples), {n: tf.io.VarLenFeature(kind) for n, kind in wanted.items()}
        )
        rows, labels = _first(parsed[self._label])
        weights = np.zeros(len(examples)) if self._weight else np.ones(len(examples))
        if self._weight:
            weights.put(*_first(parsed[self._weight]))
        return [examples[row] for row in rows], labels, weights[rows]

    @functools.cached_property
    def _types(self) -> dict[str, tf.DType]:
        return {
            feature.name: TYPES[feature.type]
            for feature in judged_rows.schema(self._inputs).feature
        }

    @functools.cached_property
    def classes(self) -> tuple[list[str], Array]:
        """The classes in the model's order, as it names them, and their shares."""
        totals: dict[Any, float] = {}
        some_example: dict[Any, bytes] = {}
        for examples, labels, weights in self._parts():
            values, first, where = np.unique(labels, return_index=True, return_inverse=True)
            sums = np.bincount(where, weights)
            for value, row, total in zip(values.tolist(), first, sums.tolist(), strict=True):
                totals[value] = totals.get(value, 0.0) + total
                some_example.setdefault(value, examples[row])
        order = self._transformed([*some_example.values()]).ravel().tolist()
        of_index = {index: value for index, value in zip(order, totals, strict=True) if index >= 0}
        shares = np.array([totals.get(of_index.get(i), 0.0) for i in range(1 + max(of_index))])
        told = self._description
        classes = told.heads[self._head].class_names if told else ()
        if len(classes) != len(shares):
            classes = tuple(stored_text(of_index.get(i)) for i in range(len(shares)))
        return list(classes), shares / shares.sum()

    @functools.cached_property
    def tokens(self) -> Array:
        """How often each token occurs in labels that are texts, by its id."""
        counts = np.zeros(0, np.int64)
        for examples, *_ in self._parts():
            for start in range(0, len(examples), _ROWS):
                ids = self._transformed(examples[start : start + _ROWS])
                found = np.bincount(ids[ids != PADDING])
                both = np.zeros(max(len(counts), len(found)), np.int64)
                both[: len(counts)] += counts
                both[: len(found)] += found
                counts = both
        return counts

    def _transformed(self, examples: list[bytes]) -> Array:
        """The labels that the model makes of examples: indices of classes, or of tokens."""
        labels: Array = self._transform(tf.constant(examples))[self._key].numpy()
        return labels

    @property
    def _description(self) -> description.Description | None:
        file = self._saved_model / description.FILE
        return description.read(self._saved_model) if file.is_file() else None

    @property
    def _saved_model(self) -> Path:
        (model,) = self._inputs[names.MODEL_KEY]
        old = path_utils.is_old_model_artifact(model)
        return Path(path_utils.serving_model_path(model.uri, old))

    @functools.cached_property
    def _transform(self) -> Any:
        self._loaded = tf.saved_model.load(str(self._saved_model))  # else its functions are lost
        return self._loaded.signatures["transform_features"]


def _first(column: tf.SparseTensor) -> tuple[Array, Array]:
    """The rows that have a value, and the first of each."""
    rows, first = np.unique(column.indices.numpy()[:, 0], return_index=True)
    values = column.values.numpy()[first]
    there = np.ones(len(rows), bool) if values.dtype == object else np.isfinite(values)
    return rows[there], values[there]


def _most_frequent(labels: TrainingLabels) -> dict[str, Any]:
    classes, shares = labels.classes
    index = int(shares.argmax())
    return {"words": f"always answering {classes[index]!r}", "class": index}


def _shares(labels: TrainingLabels) -> dict[str, Any]:
    return {"words": "the classes' shares in training", "shares": labels.classes[1].tolist()}


def _mean(labels: TrainingLabels) -> dict[str, Any]:
    values, weights = labels.numbers
    mean = float(np.average(values.astype(float), weights=weights))
    return {"words": f"always answering the mean {mean:.10g}", "mean": mean}


def _median(labels: TrainingLabels) -> dict[str, Any]:
    values, weights = labels.numbers
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    median = float(values[order][np.searchsorted(total, total[-1] / 2)])
    return {"words": f"always answering the median {median:.10g}", "median": median}


def _entropy(labels: TrainingLabels) -> dict[str, Any]:
    counts = labels.tokens[labels.tokens > 0]
    shares = counts / counts.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    return {"words": "the tokens' shares in training", "entropy": entropy}


def _chance(labels: TrainingLabels) -> dict[str, Any]:
    del labels
    return {"words": "a ranking by lot"}


def _nothing(labels: TrainingLabels) -> dict[str, Any]:
    del labels
    return {"words": "an empty text"}


_ANSWERS: dict[str, Callable[[TrainingLabels], dict[str, Any]]] = {
    "auc": _chance,
    "accuracy": _most_frequent,
    "log_loss": _shares,
    "brier": _shares,
    "mae": _median,
    "mse": _mean,
    "rmse": _mean,
    "r2": _mean,
    "perplexity": _entropy,
    "bits_per_character": _entropy,
    "exact_match": _nothing,
}
