"""What the recipe tells Transform and the Trainer, as JSON in TFX's `custom_config`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from trainyard import sources, trainer_modules
from trainyard.data import homes
from trainyard.recipe_schema import (
    AnyFeature,
    ImageFeature,
    Label,
    Recipe,
    Section,
    Task,
    TextFeature,
    Trainer,
)
from trainyard.trainer_modules import registry
from trainyard.trainer_modules.harness import vector_files

KEY = "trainyard"


class StageConfig(Section):
    """What both stages need to know.

    Attributes:
        label: What is to be predicted.
        task: The kind of prediction.
        features: Overrides per column.
    """

    label: Label
    task: Task
    features: dict[str, AnyFeature] = {}

    @classmethod
    def from_custom_config(cls, custom_config: Mapping[str, Any] | None) -> Self:
        """Reads what `custom_config` wrote."""
        return cls.model_validate_json((custom_config or {})[KEY])

    @property
    def images(self) -> dict[str, ImageFeature]:
        """The inputs that are images."""
        return {n: entry for n, entry in self.features.items() if isinstance(entry, ImageFeature)}

    @property
    def texts(self) -> dict[str, TextFeature]:
        """The inputs that are text."""
        return {n: entry for n, entry in self.features.items() if isinstance(entry, TextFeature)}


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
            label=recipe.label,
            task=recipe.task,
            features={name: _without_vectors(entry) for name, entry in recipe.features.items()},
            module=recipe.trainer.module,
            params=registry.preprocess_params(params),
        )

    def custom_config(self) -> dict[str, str]:
        """Returns what TFX passes to `preprocessing_fn`."""
        return {KEY: self.model_dump_json(), "code": code_digest(self.module)}


def _without_vectors(feature: AnyFeature) -> AnyFeature:
    """Transform does not read them."""
    if isinstance(feature, TextFeature):
        return feature.model_copy(update={"embedding": None})
    return feature


class TrainerConfig(StageConfig):
    """What the Trainer depends on.

    Attributes:
        trainer: The recipe's trainer section.
    """

    trainer: Trainer

    @classmethod
    def of(cls, recipe: Recipe) -> TrainerConfig:
        """Returns the part of the recipe that the Trainer depends on."""
        return cls(
            label=recipe.label, task=recipe.task, features=recipe.features, trainer=recipe.trainer
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
            "code": code_digest(self.trainer.module),
            "files": self._files_digest(),
            "checkpoints": str(checkpoints),
        }

    def _files_digest(self) -> str:
        """Of what parameters and features have it read, so that caching sees another content."""
        params = registry.params(registry.find(self.trainer.module), self.trainer.params)
        named = [*registry.files(params), *vector_files.files(self.features)]
        return " ".join(homes.digest(file) for file in named)


def code_digest(module: str) -> str:
    """Digest of the sources that a trainer module runs, so that caching sees a change.

    Args:
        module: The trainer module's name.
    """
    root = Path(trainer_modules.__path__[0])
    return sources.digest([root / f"{module}.py", root / "harness", root / "layers"])
