"""What is to be predicted: the task, its label, and a trivial baseline to beat."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainyard.errors import DataError
from trainyard.expressions import quoted
from trainyard.pipeline.starter.columns import Facts, shown
from trainyard.recipe_schema import Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_MOST_CLASSES = 20  # whole numbers; more are taken for amounts
_MOST_LEVELS = 5  # other numbers
_MOST_NAMED_CLASSES = 100
_POSITIVE = ("yes", "y", "true", "t", "positive", "pos")
_IMBALANCE = 0.1
_CHANCE = 0.5
_BEAT_CHANCE = 0.05


@dataclass(frozen=True)
class Bound:
    """A suggested threshold: `min` or `max`."""

    metric: str
    side: str
    value: float
    reason: str


@dataclass(frozen=True)
class Target:
    """What a starter recipe predicts.

    Attributes:
        task: The recipe's task.
        name: The label's name in the examples.
        expression: Given where the label has to be computed from its column.
        numbers: One number a row of the sample: class index or value, shape `(rows,)`.
        metrics: Metrics that fit the task.
        bounds: Thresholds that the trivial baseline does not meet.
        sentences: What was found.
        imbalanced: Whether one class is so rare that weights are worth a try.
        rarest: Rows of the rarest class in the sample; 0 for regression.
    """

    task: Task
    name: str
    numbers: np.ndarray[Any, np.dtype[Any]]
    metrics: tuple[str, ...]
    bounds: tuple[Bound, ...]
    sentences: tuple[str, ...]
    expression: str = ""
    imbalanced: bool = False
    rarest: int = 0


def target(name: str, values: pd.Series) -> Target:
    """Infers the task from the label's values.

    Args:
        name: The label's column.
        values: Its values in the sample, none missing.

    Raises:
        DataError: The values are neither classes nor numbers, or all the same.
    """
    facts = Facts(name, values)
    if facts.distinct < 2:
        raise DataError(
            f"the label {name!r} is the same in every row: {shown(facts.texts[0])}",
            expected="a column with two values or more",
        )
    return next(build for applies, build in _TASKS if applies(facts))(facts)


def _binary(facts: Facts) -> Target:
    positive = _positive(facts)
    share = float(facts.counts[positive]) / facts.rows
    negative = next(value for value in facts.counts.index if value != positive)
    majority = max(share, 1 - share)
    bound = Bound("auc", "min", _CHANCE + _BEAT_CHANCE, "0.5 is what guessing reaches")
    name, expression = _binary_label(facts, positive)
    sentences = (
        f"Task: binary; {shown(str(positive))!r} is the positive class ({share:.1%} of the rows), "
        f"{shown(str(negative))!r} the negative one.",
        f"Baseline to beat: always the more frequent class has accuracy {majority:.3f}; "
        "guessing has auc 0.5.",
    )
    return Target(
        "binary",
        name,
        (facts.present == positive).to_numpy(float),
        ("auc", "accuracy", "precision", "recall"),
        (bound,),
        sentences,
        expression,
        min(share, 1 - share) < _IMBALANCE,
        int(facts.counts.min()),
    )


def _positive(facts: Facts) -> Any:
    """The larger number, or the text that means yes, or the rarer text."""
    if facts.is_number:
        return max(facts.counts.index)
    affirmed = (value for value in facts.counts.index if value.strip().lower() in _POSITIVE)
    return next(affirmed, facts.counts.index[-1])


def _binary_label(facts: Facts, positive: Any) -> tuple[str, str]:
    """The label's name, and its expression where the plain column would not do."""
    values = list(facts.counts.index)
    is_zero_and_one = facts.is_number and set(values) == {0, 1}
    sorts_last = not facts.is_number and str(positive) == max(map(str, values))
    if is_zero_and_one or sorts_last or "`" in str(positive):
        return facts.name, ""
    literal = repr(float(positive)) if facts.is_number else repr(str(positive))
    return f"{facts.name}_is_{shown(str(positive))}", f"{quoted(facts.name)} == {literal}"


def _multiclass(facts: Facts) -> Target:
    if facts.distinct > _MOST_NAMED_CLASSES:
        raise DataError(
            f"the label {facts.name!r} has {facts.distinct:,} different texts, "
            f"such as {shown(facts.texts[0])!r}",
            expected=f"numbers, or at most {_MOST_NAMED_CLASSES} classes",
            hint=_hint_for_texts(facts),
        )
    shares = facts.counts / facts.rows
    majority = float(shares.iloc[0])
    bound = Bound("accuracy", "min", _up(majority), "what the most frequent class alone reaches")
    sentences = [
        f"Task: multiclass, {facts.distinct} classes: {_classes(facts)}.",
        f"Baseline to beat: always {shown(facts.texts[0])!r} has accuracy {majority:.3f}.",
    ]
    if facts.is_number:
        sentences.append(
            "The label's few numbers are taken for classes; if they are amounts, "
            "write `task: regression`."
        )
    return Target(
        "multiclass",
        facts.name,
        facts.present.astype("category").cat.codes.to_numpy(),
        ("accuracy",),
        (bound,),
        tuple(sentences),
        imbalanced=float(shares.iloc[-1]) < _IMBALANCE * majority,
        rarest=int(facts.counts.min()),
    )


def _hint_for_texts(facts: Facts) -> str:
    from trainyard.pipeline.starter.columns import judge

    return judge(facts).warning or "choose another label with --label"


def _classes(facts: Facts) -> str:
    texts = [shown(text) for text in facts.texts]
    return ", ".join(texts[:8]) + (", ..." if len(texts) > 8 else "")


def _regression(facts: Facts) -> Target:
    numbers = facts.present.to_numpy(float)
    median = float(facts.present.median())
    error = float(abs(numbers - median).mean())
    bound = Bound("mae", "max", _rounded(error), f"what always answering {median:.6g} reaches")
    sentences = (
        f"Task: regression; {facts.name!r} goes from {numbers.min():.6g} to {numbers.max():.6g}.",
        f"Baseline to beat: always the median, {median:.6g}, is off by {error:.6g} on average "
        f"(mae); always the mean by {numbers.std():.6g} (rmse).",
    )
    return Target("regression", facts.name, numbers, ("mae", "rmse"), (bound,), sentences)


def _up(value: float) -> float:
    """The next thousandth above."""
    return (math.floor(value * 1000) + 1) / 1000


def _rounded(value: float) -> float:
    """Three significant digits."""
    return float(f"{value:.3g}")


def _few_codes(facts: Facts) -> bool:
    most = _MOST_CLASSES if facts.is_whole else _MOST_LEVELS
    return not facts.is_number or facts.distinct <= min(most, facts.rows / 5)


_TASKS: tuple[tuple[Callable[[Facts], bool], Callable[[Facts], Target]], ...] = (
    (lambda facts: facts.distinct == 2, _binary),
    (_few_codes, _multiclass),
    (lambda _: True, _regression),
)
