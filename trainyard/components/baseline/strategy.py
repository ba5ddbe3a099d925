"""Which earlier model a candidate is held against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ml_metadata
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver
from tfx.utils import path_utils

from trainyard.components.pusher import versions
from trainyard.model_store import versions as model_versions
from trainyard.trainer_modules.harness import description


class ModelInService(resolver.ResolverStrategy):  # type: ignore[misc]
    """The champion: the model that requests get an answer from, unless it is the candidate itself.

    It is the version labelled `stable`, else the newest one. Where it is not to be had (nothing is
    pushed, it comes from elsewhere, it predicts something else) the latest other blessed model
    that predicts the same takes its place.

    TFX's LatestBlessedModelStrategy knows neither: after a rollback it compares with a model that
    is out of service, and on a second, unchanged run it resolves the candidate as its own
    baseline: a comparison that says nothing, and a changed input that defeats the cache.

    Args:
        destination: The model's base path.
    """

    def __init__(self, destination: str) -> None:
        self._destination = Path(destination)

    def resolve_artifacts(
        self, store: ml_metadata.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Chooses the baseline.

        Args:
            store: The metadata store; all that is needed is in the inputs.
            input_dict: `model`: all models; `model_blessing`: all blessings;
                `candidate`: the model of this run.

        Returns:
            Under `model`, at most one model; empty lists under the other keys.
        """
        del store
        blessed = {
            blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY)
            for blessing in input_dict["model_blessing"]
            if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
        }
        blessed -= {model.id for model in input_dict["candidate"]}
        wanted = [_predicted(model) for model in input_dict["candidate"]]
        models = [
            model
            for model in input_dict["model"]
            if model.id in blessed and _predicted(model) in wanted
        ]
        return {key: [] for key in input_dict} | {"model": self._chosen(models)}

    def _chosen(self, models: Sequence[types.Artifact]) -> list[types.Artifact]:
        champion = model_versions.champion(self._destination)
        origin = champion and versions.origin(champion)
        in_service = [model for model in models if origin and model.uri == origin.model]
        return in_service or sorted(models, key=lambda model: model.id)[-1:]


def _predicted(model: types.Artifact) -> dict[str, str] | None:
    """The task of each head; None if the model does not say, as one from elsewhere."""
    folder = Path(path_utils.serving_model_path(model.uri))
    if not (folder / description.FILE).is_file():
        return None
    return {name: head.task for name, head in description.read(folder).heads.items()}
