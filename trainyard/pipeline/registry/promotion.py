"""Who answers: promotions and rollbacks. Servers follow within their poll interval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainyard.errors import ContractError, RecipeError, TrainyardError
from trainyard.model_store import version_config
from trainyard.pipeline.registry import decisions, versions
from trainyard.pipeline.registry.decisions import Decision
from trainyard.pipeline.registry.versions import Version
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

if TYPE_CHECKING:  # it loads TensorFlow
    from trainyard.serving.model import SavedModel


def promote(recipe: Recipe, name: str, reason: str, by: str) -> Decision:
    """Makes a version the champion; whatever is on trial no longer is.

    Args:
        recipe: Whose model it is.
        name: A number, or `challenger`.
        reason: Why, for the record.
        by: Who decides.

    Returns:
        The decision as it was recorded.

    Raises:
        RecipeError: There is no such version, no Evaluator has blessed it, or it is the
            champion already.
        ContractError: It cannot be loaded.
    """
    version = require_eligible(recipe, name, by)
    if version.number == versions.champion(recipe) and _is_labelled(recipe):
        raise RecipeError(f"version {version.number} is the champion already")
    remember_champion(recipe)
    _make_champion(recipe, version.number)
    return decisions.record(recipe, "promote", version.number, reason, by)


def roll_back(recipe: Recipe, name: str | None, reason: str, by: str) -> Decision:
    """Makes an earlier version the champion again.

    Args:
        recipe: Whose model it is.
        name: Which; None: the champion before this one.
        reason: Why, for the record.
        by: Who decides.

    Returns:
        The decision as it was recorded.

    Raises:
        RecipeError: There is no such version, or none before, or no Evaluator has blessed it.
        ContractError: It cannot be loaded.
    """
    version = require_eligible(recipe, name if name is not None else str(before(recipe)), by)
    if version.number == versions.champion(recipe):
        raise RecipeError(f"version {version.number} is the champion already")
    _make_champion(recipe, version.number)
    return decisions.record(recipe, "roll back", version.number, reason, by)


def before(recipe: Recipe) -> int:
    """The champion before this one.

    Decisions say it; what came before the first of them, the order of the versions.

    Args:
        recipe: Whose model it is.

    Raises:
        RecipeError: There is none.
    """
    now = versions.champion(recipe)
    there = {version.number for version in versions.all_versions(recipe) if version.blessed}
    earlier = [number for number in _champions(recipe) if number in there - {now}]
    older = sorted(number for number in there if now is not None and number < now)
    if not earlier and not older:
        raise RecipeError(
            "no champion before this one is known",
            where=str(Workspace.of(recipe).serving),
            hint="trainyard models list RECIPE shows the versions; name one",
        )
    return earlier[-1] if earlier else older[-1]


def remember_champion(recipe: Recipe) -> None:
    """Records a champion of which no decision tells, as the newest version: rollbacks need it.

    Args:
        recipe: Whose model it is.
    """
    now = versions.champion(recipe)
    if now is not None and now not in _champions(recipe)[-1:]:
        decisions.record(recipe, "promote", now, "it was the champion already", "trainyard")


def _champions(recipe: Recipe) -> list[int]:
    """The champions one after the other; a rollback takes away those after its own."""
    stack: list[int] = []
    for decision in decisions.read(recipe):
        if decision.version is None or decision.what not in ("promote", "roll back"):
            continue
        if decision.what == "roll back":
            while stack and stack.pop() != decision.version:
                pass
        stack.append(decision.version)
    return stack


def _is_labelled(recipe: Recipe) -> bool:
    labels = version_config.read(Workspace.of(recipe).serving).version_labels
    return version_config.STABLE in labels


def require_eligible(recipe: Recipe, name: str, by: str) -> Version:
    """Finds a version that may answer requests; a refusal is recorded.

    Args:
        recipe: Whose model it is.
        name: A number, or `challenger`.
        by: Who asks.

    Raises:
        RecipeError: There is no such version, or no Evaluator has blessed it.
        ContractError: It cannot be loaded.
    """
    version = versions.find(recipe, name)
    try:
        _require_blessing(version, recipe)
        load(version.folder).close()
    except TrainyardError as error:
        decisions.record(recipe, "refuse", version.number, error.message, by)
        raise
    return version


def _require_blessing(version: Version, recipe: Recipe) -> None:
    pushed_for = version.recipe.get("name", recipe.name)
    if pushed_for != recipe.name:
        raise RecipeError(
            f"version {version.number} was pushed by a run of {pushed_for!r}: no Evaluator of "
            f"{recipe.name!r} has blessed it",
            where=str(version.folder),
            hint="remove the folder; to serve another recipe's model, serve that recipe",
        )
    if not version.blessed:
        raise RecipeError(
            f"version {version.number} was not pushed by a run: no Evaluator has blessed it",
            where=str(version.folder),
            hint="trainyard run RECIPE pushes what passes the recipe's thresholds",
        )


def load(folder: Path) -> SavedModel:
    """Loads a version as a server would, its warm-up requests included.

    Args:
        folder: The version's.

    Returns:
        The model; it is to be closed.

    Raises:
        ContractError: A server could not load it.
    """
    from trainyard.serving.model import SavedModel
    from trainyard.serving.warmup import warm_up

    try:
        model = SavedModel(folder)
        try:
            warm_up(model, folder)
        except BaseException:
            model.close()
            raise
    except Exception as error:
        raise ContractError(
            f"version {folder.name} cannot be loaded, so no server would switch to it",
            where=str(folder),
            received=str(error).splitlines()[0] if str(error) else type(error).__name__,
            hint="trainyard models list RECIPE shows the others",
        ) from None
    return model


def _make_champion(recipe: Recipe, number: int) -> None:
    labels = {version_config.STABLE: number, version_config.CANARY: None}
    version_config.label(Workspace.of(recipe).serving, labels)
