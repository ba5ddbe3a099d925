"""Which version of a model is the champion: the model in service. Everyone asks here.

Prediction from the command line, weights that start from another recipe, the server, the
registry, the baseline, the monitor and retraining all mean this version.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from trainyard.errors import RecipeError
from trainyard.model_store import version_config
from trainyard.outputs import versions


def in_service(labels: Mapping[str, int], there: Collection[int]) -> int | None:
    """Chooses the version that answers requests which name neither version nor label.

    Args:
        labels: Versions by label.
        there: The versions to choose from.

    Returns:
        The one labelled `stable`, else the newest; None if there is none.
    """
    stable = labels.get(version_config.STABLE)
    return stable if stable in there else max(there, default=None)


def champion(base_path: Path) -> Path | None:
    """Finds the model in service.

    Args:
        base_path: The model's; it need not exist.

    Returns:
        Its folder; None if there is no version.

    Raises:
        RecipeError: The file of labels is no ModelConfig.
    """
    there = {int(folder.name): folder for folder in versions(base_path)}
    config = version_config.read(base_path)
    number = in_service(config.version_labels, version_config.served(config, there))
    return None if number is None else there[number]


def pushed(base_path: Path, version: int | None = None) -> Path:
    """Finds a pushed version.

    Args:
        base_path: The model's.
        version: Its number; the champion if None.

    Returns:
        Its folder.

    Raises:
        RecipeError: There is none.
    """
    there = {int(folder.name): folder for folder in versions(base_path)}
    found = champion(base_path) if version is None else there.get(version)
    if found is not None:
        return found
    if not there:
        raise RecipeError(
            "no model has been pushed yet",
            where=str(base_path),
            hint="run the recipe first: trainyard run RECIPE; `trainyard why` says what kept it",
        )
    raise RecipeError(
        f"version {version} has not been pushed",
        where=str(base_path),
        expected=", ".join(map(str, there)),
    )
