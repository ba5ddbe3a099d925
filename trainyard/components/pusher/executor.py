"""The Pusher's work: check the contract, then put a version where TF Serving looks."""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from trainyard import progress
from trainyard.components.pusher import contract
from trainyard.components.pusher.versions import (
    MARKER,
    RECORD,
    Origin,
    newest_model,
    next_version,
    origin,
    remove_unfinished,
    versions,
)
from trainyard.model_store import independent_rows, version_config
from trainyard.model_store.versions import champion
from trainyard.serving import warmup
from trainyard.trainer_modules.harness import description, export

FILE = "push.json"

_WARM_UP_ROWS = 8

Artifacts = dict[str, list[types.Artifact]]


class Executor(base_executor.BaseExecutor):  # type: ignore[misc]
    """Pushes a blessed model whose served answers equal the trained ones."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Pushes, or records why not, as `push.json` in the output artifact.

        Raises:
            ContractError: The SavedModel does not answer as the training graph does.
        """
        artifact = artifact_utils.get_single_instance(output_dict["pushed_model"])
        blessing = artifact_utils.get_single_instance(input_dict["model_blessing"])
        if model_utils.is_model_blessed(blessing):
            outcome = _push(input_dict, exec_properties, run=self._run_id())
            artifact.set_string_custom_property("pushed_destination", outcome["destination"])
            artifact.set_string_custom_property("pushed_version", outcome["version"])
        else:
            outcome = {"pushed": False, "reason": "the Evaluator did not bless the model"}
        artifact.set_int_custom_property("pushed", int(outcome["pushed"]))
        (Path(artifact.uri) / FILE).write_text(json.dumps(outcome), encoding="utf-8")

    def _run_id(self) -> str:
        return self._context.pipeline_run_id if self._context else ""


def _push(inputs: Artifacts, properties: dict[str, Any], run: str) -> dict[str, Any]:
    model = artifact_utils.get_single_instance(inputs["model"])
    saved_model = Path(path_utils.serving_model_path(model.uri))
    progress.report("checking the contract")
    rows = list(islice(_raw_examples(inputs, properties["split"]), properties["contract_rows"]))
    difference = contract.check(
        saved_model=saved_model,
        model_run=Path(artifact_utils.get_single_uri(inputs["model_run"])),
        transform_graph=Path(artifact_utils.get_single_uri(inputs["transform_graph"])),
        examples=rows,
        infra_validation=bool(properties["infra_validation"]),
    )
    proved = export.signatures_of_rows(description.read(saved_model)) if len(rows) > 1 else ()
    destination = Path(properties["destination"])
    pushed_by = Origin(
        model=model.uri,
        run=run,
        at=datetime.now(UTC),
        artifacts={key: artifact.id for key, (artifact,) in inputs.items()},
    )
    version = _pushed_before(saved_model, model.uri, destination)
    if version is not None:
        pushed_by = origin(version) or pushed_by
        independent_rows.write(version, proved)  # earlier versions of Trainyard did not prove it
    else:
        if properties["rollout"]:
            pin(destination)
        record = Path(properties["runs"]) / run / "run.json"
        version = copy_whole(
            saved_model,
            destination,
            pushed_by,
            rows[:_WARM_UP_ROWS],
            record=record,
            independent=proved,
        )
    progress.report(f"version {version.name}")
    return {
        "model": model.uri,
        "run": pushed_by.run,
        "pushed": True,
        "version": version.name,
        "destination": str(version),
        "contract_rows": len(rows),
        "contract_difference": difference,
    }


def _pushed_before(saved_model: Path, model: str, destination: Path) -> Path | None:
    """The newest version, if it is this model and as it was; other checks make no other model."""
    if newest_model(destination) != model:
        return None
    version = versions(destination)[-1]
    files = [file.relative_to(saved_model) for file in saved_model.rglob("*") if file.is_file()]
    same, _, _ = filecmp.cmpfiles(saved_model, version, files)
    return version if len(same) == len(files) else None


def _raw_examples(inputs: Artifacts, split: str) -> Iterator[bytes]:
    import tensorflow as tf

    folder = Path(artifact_utils.get_split_uri(inputs["examples"], split))
    files = sorted(str(file) for file in folder.glob("*.gz"))
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP"):
        yield record.numpy()


def pin(destination: Path) -> None:
    """Keeps the champion in service when a newer version is pushed.

    Args:
        destination: The model's base path.
    """
    in_service = champion(destination)
    if in_service is not None:
        version_config.label(destination, {version_config.STABLE: int(in_service.name)})


def copy_whole(
    saved_model: Path,
    destination: Path,
    pushed_by: Origin,
    examples: Sequence[bytes] = (),
    *,
    record: Path | None = None,
    independent: Sequence[str] = (),
) -> Path:
    """Puts a SavedModel under the next version number, whole or not at all.

    TensorFlow Serving loads any folder with a numeric name, so the copy is made
    under a name that is not numeric, in the same file system, and renamed.

    Args:
        saved_model: The folder with `saved_model.pb`.
        destination: The model's base path.
        pushed_by: Written beside the model: which model this is, and from which run.
        examples: What a server warms the version up with.
        record: The run's; kept beside the model, which may outlive the run's folder.
        independent: Signatures that answer each row alike whatever rows are beside it.

    Returns:
        The version's folder.
    """
    destination.mkdir(parents=True, exist_ok=True)
    remove_unfinished(destination)
    version = next_version(destination)
    beside = destination / f".unfinished-{version}"
    shutil.copytree(saved_model, beside)
    (beside / MARKER).parent.mkdir(exist_ok=True)
    (beside / MARKER).write_text(pushed_by.model_dump_json(), encoding="utf-8")
    if record is not None and record.exists():
        shutil.copy(record, beside / RECORD)
    if examples:
        warmup.write(beside, warmup.predictions(examples))
    if independent:
        independent_rows.write(beside, independent)
    return beside.rename(destination / str(version))
