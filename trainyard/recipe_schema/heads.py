"""What a model predicts."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from trainyard.expressions import Expression, quoted
from trainyard.raw_values import canonical_text
from trainyard.recipe_schema.base import Section, parse_expression

Task = Literal["binary", "multiclass", "regression", "text"]

ONLY = ""
"""What the one head of a recipe is called that names none."""


_SCALARS = (str, int, float, datetime.date)


def _value_text(value: Any) -> Any:
    """What YAML made of a raw value, as text; `true` stays a word that text may be equal to."""
    if isinstance(value, bool):
        return str(value).lower()
    return canonical_text(value) if isinstance(value, _SCALARS) else value


RawValue = Annotated[
    str,
    BeforeValidator(_value_text),
    WithJsonSchema({"type": ["string", "number", "boolean"], "minLength": 1}),
    Field(min_length=1),
]
"""A value as the data have it, whatever YAML takes it for: `2`, `2.0`, `yes`, `true`."""


class Label(Section):
    """What is to be predicted: a column as it is, or an expression over columns."""

    name: str = Field(
        description="The label's name in examples, schema and report. `column: NAME` in its place "
        "is a column of the data that may have any name."
    )
    expression: str = Field(
        description="A column, or an expression such as `tips > fare * 0.2`; if not given, the "
        "column of that name."
    )
    positive: RawValue | None = Field(
        None,
        description="Binary: the value that counts as 1, as the data have it; the label has one "
        "other value. If not given, the label is 0 and 1, true and false, or text of which the "
        "last in alphabetical order counts as 1.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(r"\w+", value):
            value = {"column": value}
        if isinstance(value, str):
            return {"name": "label", "expression": value}
        if isinstance(value, dict) and "expression" not in value and {"column", "name"} & {*value}:
            column = value["column"] if "column" in value else value["name"]
            rest = {key: entry for key, entry in value.items() if key != "column"}
            return {"name": column, "expression": quoted(column)} | rest
        return value

    @field_validator("expression")
    @classmethod
    def _parses(cls, value: str) -> str:
        parse_expression(value)
        return value

    @property
    def parsed(self) -> Expression:
        """The checked expression."""
        return Expression(self.expression)

    @property
    def is_column(self) -> bool:
        """Whether the label is a column as it stands in the data."""
        return self.parsed.is_column and self.parsed.columns == (self.name,)


class Loss(Section):
    """A Keras loss by name; what is not named here goes to its constructor."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for the loss's constructor."""
        return dict(self.__pydantic_extra__ or {})


ClassWeights = Literal["balanced"] | dict[str, float]


def written_out(section: Any, named: Sequence[str]) -> Any:
    """Turns `loss: huber` into `loss: {name: huber}`, and the names of classes into text."""
    if not isinstance(section, dict):
        return section
    full = {k: {"name": section[k]} for k in named if isinstance(section.get(k), str)}
    weights = section.get("class_weights")
    if isinstance(weights, dict):
        full["class_weights"] = {str(name): weight for name, weight in weights.items()}
    return {**section, **full}


class Target(Section):
    """What is predicted, and what kind of prediction that is."""

    label: Label
    task: Task

    @model_validator(mode="after")
    def _positive_of_two(self) -> Self:
        if self.label.positive is not None and self.task != "binary":
            raise ValueError(f"`label.positive` is for `task: binary`, not for {self.task}")
        return self


class Head(Target):
    """One of the things that a model predicts."""

    loss: Loss | None = Field(None, description="If not given, the one that fits the task.")
    weight: float = Field(1.0, gt=0, description="Of its loss in the sum over all heads.")
    class_weights: ClassWeights | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        return written_out(value, ["loss"])


def _free(name: str) -> str:
    """A head `val` would log its own training loss as `val_loss`, the whole model's elsewhere."""
    if name == "val" or name.startswith("val_"):
        raise ValueError(
            "a head may not be called `val`, nor may its name begin with `val_`: these words are "
            "reserved for what Keras measures in validation (`val_loss`); give it another name"
        )
    return name


HeadName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$"), AfterValidator(_free)]
