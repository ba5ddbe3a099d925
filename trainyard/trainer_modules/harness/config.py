"""What the recipe tells Transform and the Trainer, as JSON in TFX's `custom_config`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from trainyard import file_digests, sources, trainer_modules
from trainyard.recipe_schema import (
    AnyFeature,
    Head,
    ImageFeature,
    Label,
    Recipe,
    Section,
    SeriesFeature,
    Target,
    TextFeature,
    Trainer,
    input_columns,
)
from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import names, vector_files, warm_start

KEY = "trainyard"


class StageConfig(Section):
    """What both stages need to know.

    Attributes:
        heads: What is to be predicted, by name.
        weight: The column that says how much a row counts, if there is one.
        features: Overrides per column.
    """

    heads: Mapping[str, Target]
    weight: str | None = None
    features: dict[str, AnyFeature] = {}

    @classmethod
    def from_custom_config(cls, custom_config: Mapping[str, Any] | None) -> Self:
        """Reads what `custom_config` wrote."""
        return cls.model_validate_json((custom_config or {})[KEY])

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels of all heads."""
        return tuple(head.label for head in self.heads.values())

    @property
    def targets(self) -> tuple[str, ...]:
        """The transformed features that are labels or weights, by key."""
        return (*map(names.label, self.heads), *([names.WEIGHT] if self.weight else []))

    def input_columns(self, columns: list[str]) -> list[str]:
        """Chooses inputs as `Recipe.input_columns` does."""
        return input_columns(self.labels, self.weight, self.features, columns)

    @property
    def images(self) -> dict[str, ImageFeature]:
        """The inputs that are images."""
        return {n: entry for n, entry in self.features.items() if isinstance(entry, ImageFeature)}

    @property
    def texts(self) -> dict[str, TextFeature]:
        """The inputs that are text."""
        hidden = {label.name for label in self.labels}
        return {
            name: entry
            for name, entry in self.features.items()
            if isinstance(entry, TextFeature) and name not in hidden
        }

    def written(self, head: Target) -> TextFeature | None:
        """How a head's label is cut into tokens; None if it is no text that is to be written."""
        feature = self.features.get(head.label.name)
        return feature if head.task == "text" and isinstance(feature, TextFeature) else None

    @property
    def series(self) -> dict[str, SeriesFeature]:
        """The inputs that are several numbers a row."""
        return {n: entry for n, entry in self.features.items() if isinstance(entry, SeriesFeature)}


class TransformConfig(StageConfig):
    """What Transform depends on: nothing that only training reads.

    Attributes:
        module: The trainer module's name.
        params: Those of its parameters that `preprocess` reads.
    """

    module: str
    params: dict[str, Any] = {}

    @classmethod
    def of(cls, recipe: Recipe) -> TransformConfig:
        """Returns the part of the recipe that Transform depends on."""
        module = registry.find(recipe.trainer.module)
        params = registry.params(module, recipe.trainer.params)
        return cls(
            heads={n: Target(label=h.label, task=h.task) for n, h in recipe.heads.items()},
            weight=recipe.data.weight,
            features={name: _without_vectors(entry) for name, entry in recipe.features.items()},
            module=recipe.trainer.module,
            params=registry.preprocess_params(params),
        )

    def custom_config(self) -> dict[str, str]:
        """Returns what TFX passes to `preprocessing_fn`."""
        return {KEY: self.model_dump_json(), "code": code_digest("transform", self.module)}


def _without_vectors(feature: AnyFeature) -> AnyFeature:
    """Transform does not read them."""
    if isinstance(feature, TextFeature):
        return feature.model_copy(update={"embedding": None})
    return feature


class TrainerConfig(StageConfig):
    """What the Trainer depends on.

    Attributes:
        heads: As Transform has them, and how each is learned.
        trainer: The recipe's trainer section.
    """

    heads: Mapping[str, Head]
    trainer: Trainer

    @classmethod
    def of(cls, recipe: Recipe) -> TrainerConfig:
        """Returns the part of the recipe that the Trainer depends on."""
        return cls(
            heads=recipe.heads,
            weight=recipe.data.weight,
            features=recipe.features,
            trainer=recipe.trainer,
        )

    def custom_config(self, checkpoints: Path) -> dict[str, str]:
        """Returns what TFX passes to `run_fn`.

        Args:
            checkpoints: Where interrupted training leaves its state.

        Raises:
            RecipeError: A file that a parameter names is not there.
        """
        return {
            KEY: self.model_dump_json(),
            "code": code_digest("training", self.trainer.module),
            "files": self._files_digest(),
            "checkpoints": str(checkpoints),
        }

    def _files_digest(self) -> str:
        """Of what parameters and features have it read, so that caching sees another content."""
        params = registry.params(registry.find(self.trainer.module), self.trainer.params)
        start = self.trainer.start_from
        named = [*registry.files(params), *vector_files.files(self.features)]
        named += [warm_start.file_of(start)] if start else []
        return " ".join(map(file_digests.digest, named))


def code_digest(stage: str, module: str) -> str:
    """Digest of the sources that a stage runs, so that caching sees a change.

    Args:
        stage: The module of the harness that TFX calls: `transform` or `training`.
        module: The trainer module's name, by which the harness looks it up.
    """
    harness, _, _ = __name__.rpartition(".")
    return sources.digest([f"{harness}.{stage}", f"{trainer_modules.__name__}.{module}"])
