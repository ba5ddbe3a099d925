"""The whole recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from trainyard.recipe_schema.base import Section
from trainyard.recipe_schema.data import UNNAMED, Data
from trainyard.recipe_schema.engine import AnyEngine, DirectEngine
from trainyard.recipe_schema.evaluation import Evaluation
from trainyard.recipe_schema.features import (
    AnyFeature,
    Feature,
    ImageFeature,
    SeriesFeature,
    TableFeature,
    TextFeature,
    kind_of,
)
from trainyard.recipe_schema.heads import ONLY, Head, HeadName, Label, Target, Task
from trainyard.recipe_schema.kubeflow import Kubeflow
from trainyard.recipe_schema.monitor import Monitor
from trainyard.recipe_schema.rollout import Rollout
from trainyard.recipe_schema.schedule import Retrain, RunSchedule
from trainyard.recipe_schema.stages import Gate, Push
from trainyard.recipe_schema.trainer import Trainer


class Recipe(Section):
    """The whole recipe.

    Paths in a loaded recipe are absolute: `trainyard.pipeline.recipe` resolves them.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    data: Data
    label: Label | None = None
    task: Task | None = None
    named_heads: dict[HeadName, Head] = Field(
        default_factory=dict,
        alias="heads",
        description="In place of `label` and `task`: several things that one model predicts, "
        "by name.",
    )
    features: dict[str, AnyFeature] = Field(default_factory=dict, validate_default=True)
    trainer: Trainer = Trainer()
    evaluation: Evaluation = Evaluation()
    gate: Gate = Gate()
    push: Push = Push()
    rollout: Rollout | None = None
    engine: AnyEngine = DirectEngine()
    schedule: RunSchedule | None = None
    retrain: Retrain = Retrain()
    monitor: Monitor = Monitor()
    kubeflow: Kubeflow = Kubeflow()

    @property
    def heads(self) -> dict[str, Head]:
        """What is predicted, by name; the one head of a recipe that names none is `ONLY`."""
        if self.label is None or self.task is None:
            return self.named_heads
        trainer = self.trainer
        head = Head(
            label=self.label,
            task=self.task,
            loss=trainer.loss,
            class_weights=trainer.class_weights,
        )
        return {ONLY: head}

    @property
    def labels(self) -> dict[str, Label]:
        """Each label once, by its key in the recipe."""
        found: dict[str, Label] = {}
        for name, head in self.heads.items():
            if head.label not in found.values():
                found["label" if name == ONLY else f"heads.{name}.label"] = head.label
        return found

    @field_validator("named_heads")
    @classmethod
    def _together(cls, value: dict[str, Head], info: ValidationInfo) -> dict[str, Head]:
        if value and (info.data.get("label") or info.data.get("task")):
            raise ValueError("the recipe has `label` or `task` too: a head has its own")
        if len(value) == 1:
            raise ValueError("one head needs no name: give `label` and `task` instead")
        _check_head_names(value)
        _check_label_names(value)
        return value

    @model_validator(mode="after")
    def _something_to_predict(self) -> Self:
        if not self.named_heads and (self.label is None or self.task is None):
            raise ValueError("give `label` and `task`, or `heads`")
        if self.label and self.task:
            Target(label=self.label, task=self.task)  # that they fit each other
        return self

    @model_validator(mode="after")
    def _classes_to_count(self) -> Self:
        if self.data.split.train_per_class and (
            self.named_heads or self.task in ("regression", "text")
        ):
            reason = "each head has its own" if self.named_heads else f"{self.task} has no"
            raise ValueError(f"`data.split.train_per_class`: {reason} classes")
        return self

    @model_validator(mode="after")
    def _classes_to_stratify(self) -> Self:
        heads = self.heads.values()
        classes = [head.label.name for head in heads if head.task in ("binary", "multiclass")]
        if (name := self.data.split.stratify) and name not in classes:
            raise ValueError(
                f"`data.split.stratify`: {name!r} is no label with classes; "
                f"there is {', '.join(map(repr, classes)) or 'none'}"
            )
        return self

    @model_validator(mode="after")
    def _text_to_write(self) -> Self:
        if any(head.task == "text" for head in self.named_heads.values()):
            raise ValueError("a model that writes text has no other heads: `label` and `task`")
        if self.label is None or self.task != "text":
            return self
        if not isinstance(self.features.get(self.label.name), TextFeature):
            raise ValueError(
                f"`task: text` needs `{self.label.name}: {{kind: text, ...}}` among `features`: "
                "how the label is cut into tokens"
            )
        if self.data.weight:
            raise ValueError("`data.weight`: rows of text count by their tokens")
        return self

    @field_validator("features", mode="before")
    @classmethod
    def _short_features(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: {"kind": v} if isinstance(v, str) else v or {} for k, v in value.items()}

    @model_validator(mode="before")
    @classmethod
    def _texts_are_data(cls, value: Any) -> Any:
        """Names columns of text in `data` too, for those who read the data without a recipe."""
        if not isinstance(value, dict) or not isinstance(value.get("features"), dict):
            return value
        label, data = value.get("label"), value.get("data")
        derived = label.get("name") if isinstance(label, Mapping) and "expression" in label else ""
        texts = [
            name
            for name, feature in value["features"].items()
            if kind_of(feature) == "text" and name != derived
        ]
        if texts and isinstance(data, Mapping):
            data = {**data, "texts": [*dict.fromkeys([*(data.get("texts") or ()), *texts])]}
        elif texts and isinstance(data, Data):
            data = data.model_copy(update={"texts": (*dict.fromkeys([*data.texts, *texts]),)})
        return {**value, "data": data}

    @field_validator("features", mode="after")
    @classmethod
    def _data_own(cls, value: dict[str, Feature], info: ValidationInfo) -> dict[str, Feature]:
        """A model looks at image, text and series; what comes beside is for statistics."""
        data = info.data.get("data")
        if not isinstance(data, Data):
            return value
        own: dict[str, Feature] = {n: TableFeature(kind="ignored") for n in data.besides}
        if data.series:
            own[data.series.column] = SeriesFeature(length=data.series.past)
        for images in data.images:
            if images.shape is None:
                continue
            *size, channels = images.shape
            own[images.column] = ImageFeature.model_validate(
                {"size": tuple(size), "channels": channels}
            )
        return own | value

    def input_columns(self, columns: list[str]) -> list[str]:
        """Chooses which raw columns become model inputs.

        A column that a label is computed from is left out unless `features`
        names it: it would give the answer away; so is a column without a name, an index. Labels
        and weights are never inputs.

        Args:
            columns: All raw columns of the data, the labels included.

        Returns:
            The columns that are inputs, in the order given.
        """
        return input_columns([*self.labels.values()], self.data.weight, self.features, columns)


def _check_head_names(heads: Mapping[str, Head]) -> None:
    for name in heads:
        if f"{name}_label" in heads:
            raise ValueError(f"`{name}_label` is what the model calls the class that {name} names")


def _check_label_names(heads: Mapping[str, Head]) -> None:
    known: dict[str, Label] = {}
    for name, head in heads.items():
        if known.setdefault(head.label.name, head.label) != head.label:
            raise ValueError(
                f"the label of {name} is named {head.label.name!r}, as is that of another head: "
                "`label: {name: ..., expression: ...}` gives it a name"
            )


def input_columns(
    labels: Sequence[Label],
    weight: str | None,
    features: Mapping[str, Feature],
    columns: list[str],
) -> list[str]:
    """Chooses inputs as `Recipe.input_columns` does, where there is no whole recipe.

    Args:
        labels: The recipe's labels.
        weight: The column that says how much a row counts, if there is one.
        features: The recipe's feature overrides.
        columns: All raw columns of the data, the labels included.

    Returns:
        The columns that are inputs, in the order given.
    """
    names = {label.name for label in labels}
    hidden = {name for label in labels for name in label.parsed.columns} - set(features)
    hidden |= {name for name, feature in features.items() if feature.kind == "ignored"}
    hidden |= names | {weight or ""} | ({UNNAMED} - set(features))
    return [name for name in columns if name not in hidden]
