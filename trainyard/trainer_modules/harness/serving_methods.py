"""Signatures for TensorFlow Serving's Classify and Regress, beside those for Predict.

Inputs and outputs: https://www.tensorflow.org/tfx/serving/signature_defs
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainyard.trainer_modules.harness import names
from trainyard.trainer_modules.harness.description import Description, HeadDescription

INPUTS = "inputs"
"""Serialized tf.Examples `[B]`."""

CLASSES = "classes"
"""Names `[B, C]`, in the same order in every row."""

SCORES = "scores"
"""Probabilities `[B, C]`; of a binary head C is 2."""

OUTPUTS = "outputs"
"""Numbers `[B, 1]`."""

_CLASSIFY = ("classify", tf.saved_model.CLASSIFY_METHOD_NAME)
_REGRESS = ("regress", tf.saved_model.REGRESS_METHOD_NAME)
_METHODS = {"binary": _CLASSIFY, "multiclass": _CLASSIFY, "regression": _REGRESS}

Answer = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def signatures(told: Description) -> dict[str, str]:
    """Names the signature of each head that has classes or is a 32-bit number.

    Regress answers in 32 bits: of a label that needs 64 it would lose digits without a word.

    Args:
        told: What the model answers.

    Returns:
        By head: `classify` or `regress` of an only head, else `HEAD_classify`.
    """
    return {
        name: names.of(name, _METHODS[head.task][0])
        for name, head in told.heads.items()
        if head.task in _METHODS and head.dtype == "float32"
    }


def answer(predict: Answer, name: str, head: HeadDescription) -> Answer:
    """Makes what a head's signature answers.

    Args:
        predict: From serialized tf.Examples to what `serving_default` answers.
        name: The head's.
        head: What it predicts.
    """

    def regress(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUTS: predict(inputs)[names.prediction(name)]}

    def classify(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = predict(inputs)[names.prediction(name)]
        if head.task == "binary":
            scores = tf.concat([1 - scores, scores], axis=1)
        classes = tf.tile([head.class_names], [tf.shape(scores)[0], 1])
        return {CLASSES: classes, SCORES: scores}

    return regress if head.task == "regression" else classify


def predicted(answers: Mapping[str, Any], head: HeadDescription) -> Any:
    """Takes the predictions out of what a head's signature answers.

    Args:
        answers: Arrays by name.
        head: What it predicts.

    Returns:
        `[B, 1]` or `[B, C]`, as the model predicts them.
    """
    if head.task == "regression":
        return answers[OUTPUTS]
    return answers[SCORES][:, 1:] if head.task == "binary" else answers[SCORES]


def name_methods(saved_model: Path, told: Description) -> None:
    """Says in a SavedModel which methods its signatures are for.

    TensorFlow saves every signature as one for Predict. A TensorFlow Serving started with
    `--enable_signature_method_name_check` minds that, and old ones always do.

    Args:
        saved_model: Its folder; not yet where a server finds it.
        told: What the model answers.
    """
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(saved_model))
    for name, signature in signatures(told).items():
        updater.replace_method_name(signature, _METHODS[told.heads[name].task][1])
    updater.save()
