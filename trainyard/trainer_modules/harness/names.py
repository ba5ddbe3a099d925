"""What labels, weights and answers are called; needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from trainyard.recipe_schema import ONLY

LABEL = "label"
"""The key of an only head's label among the transformed features, and its vocabulary's name."""

WEIGHT = "row_weight"
"""The key of what a row counts among the transformed features, if the recipe says so."""

SUFFIX = "_xf"
"""Ends the names of transformed features: TFMA's slices must find the raw columns."""

PREDICTIONS = "predictions"
"""What the model answers for an only head."""

EVALUATION = "evaluation"
"""The signature whose answers text is judged by: beside what was written, two more."""

REFERENCE = "reference"
"""What should have been written, strings `[B, 1]`."""

LIKELIHOOD = "likelihood"
"""Of that: the logarithm of its probability, its tokens, its characters, `[B, 3]`."""

CONSTANT_INPUTS = "constant_inputs.json"
"""The Trainer's file that names inputs which are the same in all rows, each with a reason."""

Part = TypeVar("Part")


def label(head: str) -> str:
    """The key of a head's label among the transformed features, and its vocabulary's name."""
    return LABEL if head == ONLY else f"{LABEL}_{head}"


def prediction(head: str) -> str:
    """The key of a head's numbers among the model's answers."""
    return PREDICTIONS if head == ONLY else head


def predicted_class(head: str) -> str:
    """The key of the class that a head names among the model's answers."""
    return "label" if head == ONLY else f"{head}_label"


def of(head: str, name: str) -> str:
    """Names what there is for each head, such as `income_auc`; `auc` of an only head."""
    return name if head == ONLY else f"{head}_{name}"


def joined(parts: Mapping[str, Part]) -> Any:
    """What Keras takes for several heads: a dictionary; an only head's part stands alone.

    Args:
        parts: By head.
    """
    return parts[ONLY] if ONLY in parts else dict(parts)


def parted(value: Any) -> dict[str, Any]:
    """The parts of what `joined` made, by head."""
    return dict(value) if isinstance(value, Mapping) else {ONLY: value}
