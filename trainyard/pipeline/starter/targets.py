"""What is to be predicted: the task, its label, and a trivial baseline to beat."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainyard.components.example_gen import lookalikes
from trainyard.errors import DataError
from trainyard.pipeline.starter.columns import Facts, shown
from trainyard.raw_values import canonical_text
from trainyard.recipe_schema import Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_MOST_CLASSES = 20  # whole numbers; more are taken for amounts
_MOST_LEVELS = 5  # other numbers
_MOST_NAMED_CLASSES = 100
_POSITIVE = {"yes", "y", "true", "t", "positive", "pos", "fraud", "spam", "churn", "churned", "bad"}
_NEGATIVE = {"no", "n", "false", "f", "negative", "neg", "normal", "ok", "ham", "none", "good"}
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
        name: The label's column.
        positive: The value that counts as 1; None where nobody could take the other one for it.
        numbers: One number a row of the sample: class index or value, shape `(rows,)`.
        metrics: Metrics that fit the task.
        bounds: Thresholds that the trivial baseline does not meet.
        sentences: What was found.
        imbalanced: Whether one class is so rare that weights are worth a try.
        rarest: Rows of the rarest class in the sample; 0 for regression.
        warning: What the user should check; empty if nothing.
    """

    task: Task
    name: str
    numbers: np.ndarray[Any, np.dtype[Any]]
    metrics: tuple[str, ...]
    bounds: tuple[Bound, ...]
    sentences: tuple[str, ...]
    positive: Any = None
    imbalanced: bool = False
    rarest: int = 0
    warning: str = ""


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
    positive, reason = _positive(facts)
    share = float(facts.counts[positive]) / facts.rows
    negative = next(value for value in facts.counts.index if value != positive)
    majority = max(share, 1 - share)
    bound = Bound("auc", "min", _CHANCE + _BEAT_CHANCE, "0.5 is what guessing reaches")
    said = shown(canonical_text(positive))
    sentences = (
        f"Task: binary; {said!r} is the positive class ({share:.1%} of the rows), "
        f"{shown(canonical_text(negative))!r} the negative one.",
        f"Baseline to beat: always the more frequent class has accuracy {majority:.3f}; "
        "guessing has auc 0.5.",
    )
    obvious = facts.is_number and set(facts.counts.index) == {0, 1}
    warning = f"label {facts.name!r}: {said!r} is taken for the positive class, for {reason}"
    return Target(
        "binary",
        facts.name,
        (facts.present == positive).to_numpy(float),
        ("auc", "accuracy", "precision", "recall"),
        (bound,),
        sentences,
        None if obvious else positive,
        min(share, 1 - share) < _IMBALANCE,
        int(facts.counts.min()),
        ""
        if obvious
        else f"{warning}: if it is {shown(canonical_text(negative))!r}, change "
        "`label.positive` in the recipe",
    )


def _positive(facts: Facts) -> tuple[Any, str]:
    """The value that counts as 1, and why: what the words say, else the rarer one."""
    values = sorted(facts.counts.index)
    if facts.is_number and values[0] <= 0 < values[1]:
        return values[1], "the other one is not above 0"
    for value, other in (values, reversed(values)):
        if _word(value) in _POSITIVE or _word(other) in _NEGATIVE:
            return value, "so the words say"
    last = values[1]  # as without `positive`
    rarest = last if facts.counts[last] <= facts.counts[values[0]] else values[0]
    return rarest, "it is the rarer one"


def _word(value: Any) -> str:
    return str(value).strip().lower()


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

    unsupported = lookalikes.unsupported(facts.name, facts.texts, "convert it first")
    return unsupported or judge(facts).warning or "choose another label with --label"


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
