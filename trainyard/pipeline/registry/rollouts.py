"""A version on trial: it answers a share of the requests until the rules have spoken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainyard.errors import RecipeError
from trainyard.model_store import version_config
from trainyard.pipeline.registry import decisions, promotion, versions
from trainyard.pipeline.registry.decisions import Decision
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe, Rollout
from trainyard.serving import canary, canary_counts
from trainyard.serving.canary import Canary

if TYPE_CHECKING:  # they load TensorFlow
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    from trainyard.pipeline.registry.comparison import Comparison


def rules(recipe: Recipe) -> Rollout:
    """The recipe's rules; the usual ones if it has none."""
    return recipe.rollout or Rollout()


def start(recipe: Recipe, name: str | None, share: float | None, by: str) -> Decision:
    """Gives a version a share of the requests; one that is on trial goes on with the new share.

    Args:
        recipe: Whose model it is.
        name: The version's number; None: the newest.
        share: Of the requests that name no version; None: the recipe's.
        by: Who decides.

    Returns:
        The decision as it was recorded.

    Raises:
        RecipeError: There is no such version, no Evaluator has blessed it, or it is the champion.
        ContractError: It cannot be loaded.
    """
    candidate = name or str(max((v.number for v in versions.all_versions(recipe)), default=""))
    number = versions.find(recipe, candidate).number
    champion = versions.champion(recipe)
    if number == champion or champion is None:
        raise RecipeError(
            f"version {number} is the champion: it answers all requests already",
            where=str(Workspace.of(recipe).serving),
            hint="name another with --version, or push one: trainyard run RECIPE",
        )
    promotion.require_eligible(recipe, str(number), by)
    return _begin(recipe, champion, number, share, by)


def start_pushed(recipe: Recipe, version: str) -> Decision | None:
    """Puts a version on trial that was just pushed, if the recipe says so.

    Args:
        recipe: With a section `rollout`, or nothing is done.
        version: The newest one; of no concern if something was decided of it before.

    Returns:
        The decision as it was recorded; None if there was none.
    """
    if recipe.rollout is None or not version:
        return None
    number, champion = int(version), versions.champion(recipe)
    known = any(decision.version == number for decision in decisions.read(recipe))
    if known or champion is None or champion == number:
        return None
    return _begin(recipe, champion, number, None, "trainyard run")


def _begin(recipe: Recipe, champion: int, number: int, share: float | None, by: str) -> Decision:
    workspace = Workspace.of(recipe)
    promotion.remember_champion(recipe)
    running = canary.read(workspace.serving)
    same = running is not None and running.version == number
    trial = Canary(
        version=number,
        share=rules(recipe).share if share is None else share,
        since=running.since if running and same else datetime.now(UTC),
    )
    if not same:
        canary_counts.clear(workspace.requests)
    # In this order: a share counts for the labelled version only.
    canary.write(workspace.serving, trial)
    labels = {version_config.STABLE: champion, version_config.CANARY: number}
    version_config.label(workspace.serving, labels)
    told = f"{100 * trial.share:.3g} % of the requests"
    reason = f"on trial with {told}, version {champion} has the others"
    if running and not same:
        reason += f"; the trial of version {running.version} ended undecided"
    return decisions.record(recipe, "canary", number, reason, by)


def decide(recipe: Recipe, by: str) -> tuple[Comparison, Decision | None]:
    """Compares the version on trial with the champion, and acts as the rules say.

    Args:
        recipe: Whose model it is.
        by: Who decides.

    Returns:
        What was found, and the decision as it was recorded; None if it is too early, or the
        recipe says to ask.

    Raises:
        RecipeError: No version is on trial.
        ContractError: The version cannot be loaded any more.
    """
    trial = _trial(recipe)
    comparison = _compared(recipe, trial)
    if comparison.outcome == "roll back":
        return comparison, _end(recipe, trial, comparison.reason, by)
    if comparison.outcome == "promote" and rules(recipe).end == "promote":
        number = str(trial.version)
        return comparison, promotion.promote(recipe, number, comparison.reason, by)
    return comparison, None


def stop(recipe: Recipe, reason: str, by: str) -> Decision:
    """Ends a trial: the champion answers all requests again.

    Args:
        recipe: Whose model it is.
        reason: Why, for the record.
        by: Who decides.

    Raises:
        RecipeError: No version is on trial.
    """
    return _end(recipe, _trial(recipe), reason, by)


def _end(recipe: Recipe, trial: Canary, reason: str, by: str) -> Decision:
    version_config.label(Workspace.of(recipe).serving, {version_config.CANARY: None})
    told = f"trial of version {trial.version}: {reason}"
    return decisions.record(recipe, "roll back", versions.champion(recipe), told, by)


def _trial(recipe: Recipe) -> Canary:
    trial = canary.read(Workspace.of(recipe).serving)
    if trial is None:
        raise RecipeError(
            "no version is on trial",
            where=str(Workspace.of(recipe).serving),
            hint="trainyard canary RECIPE begins a trial",
        )
    return trial


def _compared(recipe: Recipe, trial: Canary) -> Comparison:
    from trainyard.pipeline.registry import comparison
    from trainyard.serving.canary_counts import Counts

    counts = canary_counts.read(Workspace.of(recipe).requests, trial)
    champion = versions.champion(recipe)
    assert champion is not None  # there are versions: one is on trial
    sides = [
        (number, counts.get(number, Counts()), comparison.answers(_logged(recipe, trial, number)))
        for number in (champion, trial.version)
    ]
    return comparison.compare(rules(recipe), sides[0], sides[1])


def _logged(recipe: Recipe, trial: Canary, number: int) -> Iterator[PredictionLog]:
    """What a version answered since the trial began, to requests that named no version."""
    from trainyard.serving import request_log

    for log in request_log.read(Workspace.of(recipe).requests, since=trial.since.timestamp()):
        kind = log.WhichOneof("log_type")
        asked = getattr(log, kind).request.model_spec if kind else None
        answered = log.log_metadata.model_spec.version.value
        if asked is not None and not asked.WhichOneof("version_choice") and answered == number:
            yield log
