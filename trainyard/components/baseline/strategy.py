"""Which earlier model a candidate is held against."""

from __future__ import annotations

from pathlib import Path

import ml_metadata
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver
from tfx.utils import path_utils

from trainyard.trainer_modules.harness import description


class LatestOtherBlessedModel(resolver.ResolverStrategy):  # type: ignore[misc]
    """The latest blessed model that predicts the same and is not the candidate itself.

    TFX's LatestBlessedModelStrategy does not know the candidate. On a second,
    unchanged run it therefore resolves the candidate as its own baseline: a
    comparison that says nothing, and a changed input that defeats the cache.
    """

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
        latest = sorted(models, key=lambda model: model.id)[-1:]
        return {key: [] for key in input_dict} | {"model": latest}


def _predicted(model: types.Artifact) -> dict[str, str] | None:
    """The task of each head; None if the model does not say, as one from elsewhere."""
    folder = Path(path_utils.serving_model_path(model.uri))
    if not (folder / description.FILE).is_file():
        return None
    return {name: head.task for name, head in description.read(folder).heads.items()}
