"""The versions there are of a recipe's model, told from what lies beside each.

There is no database: a version's own folder has the record of its run as it was at the push,
the run's folder the whole record, ML Metadata the artifacts, and `model.config` the labels.
Needs no TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from trainyard import outputs
from trainyard.components.example_gen.division import Division
from trainyard.components.pusher import versions as pushed
from trainyard.errors import RecipeError, nearest
from trainyard.model_store import version_config
from trainyard.model_store import versions as model_versions
from trainyard.pipeline import metadata
from trainyard.pipeline.records import Finding, RunRecord
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

Alias = Literal["champion", "challenger", ""]

CHAMPION: Alias = "champion"
CHALLENGER: Alias = "challenger"


class Version(BaseModel):
    """What is known of a version.

    Attributes:
        number: Its folder's name.
        alias: `champion` answers requests that name no version; `challenger` is on trial.
        folder: Where it is.
        bytes: Of all its files.
        pushed: When; None if it is not known.
        blessed: Whether an Evaluator found it good: the Pusher pushes no other, but a person can.
        run: The run that pushed it; empty if none did.
        model: URI of the model artifact.
        artifacts: Ids in ML Metadata, by the Pusher's input.
        lineage: URI of what each stage wrote, by stage and output.
        recipe: The resolved recipe as it was.
        hyperparameters: The recipe's section `trainer`, flat.
        data: What tells the rows it was trained on from others: fingerprint, span, path, and how
            they were divided among the splits.
        code: Digest of each stage's code.
        packages: Versions of the packages.
        metrics: On all rows of the judged split.
        findings: Each threshold it was held against.
    """

    number: int
    alias: Alias = ""
    folder: Path
    bytes: int
    pushed: datetime | None = None
    blessed: bool = False
    run: str = ""
    model: str = ""
    artifacts: dict[str, int] = Field(default_factory=dict)
    lineage: dict[str, str] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, str] = Field(default_factory=dict)
    code: dict[str, str] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    findings: list[Finding] = Field(default_factory=list)


def all_versions(recipe: Recipe) -> list[Version]:
    """Tells of all versions there are, oldest first.

    Args:
        recipe: Whose model it is.
    """
    workspace = Workspace.of(recipe)
    aliases = _aliases(workspace.serving)
    folders = outputs.versions(workspace.serving)
    return [_version(folder, workspace, aliases.get(int(folder.name), "")) for folder in folders]


def find(recipe: Recipe, name: str = CHAMPION) -> Version:
    """Finds a version.

    Args:
        recipe: Whose model it is.
        name: A number, `champion` or `challenger`.

    Raises:
        RecipeError: There is no such version.
    """
    found = all_versions(recipe)
    for version in found:
        if name in (str(version.number), version.alias):
            return version
    if not found:
        raise RecipeError(
            "no version has been pushed yet",
            where=str(Workspace.of(recipe).serving),
            hint="trainyard run RECIPE pushes one",
        )
    known = [str(version.number) for version in found]
    known += [version.alias for version in found if version.alias]
    raise RecipeError(
        f"there is no version {name!r}",
        where=str(Workspace.of(recipe).serving),
        hint=nearest(name, known),
    )


def champion(recipe: Recipe) -> int | None:
    """The version that answers requests which name none; None if there is none.

    Args:
        recipe: Whose model it is.
    """
    return _holder(recipe, CHAMPION)


def challenger(recipe: Recipe) -> int | None:
    """The version that is on trial; None if there is none.

    Args:
        recipe: Whose model it is.
    """
    return _holder(recipe, CHALLENGER)


def _holder(recipe: Recipe, wanted: Alias) -> int | None:
    aliases = _aliases(Workspace.of(recipe).serving)
    return next((number for number, alias in aliases.items() if alias == wanted), None)


def _aliases(serving: Path) -> dict[int, Alias]:
    """The alias of each version that has one; a champion with both labels is on no trial."""
    on_trial = version_config.read(serving).version_labels.get(version_config.CANARY)
    answers = model_versions.champion(serving)
    trial: dict[int, Alias] = {on_trial: CHALLENGER} if on_trial else {}
    return trial | ({int(answers.name): CHAMPION} if answers else {})


def _version(folder: Path, workspace: Workspace, alias: Alias) -> Version:
    origin = pushed.origin(folder)
    version = Version(
        number=int(folder.name),
        alias=alias,
        folder=folder,
        bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
    )
    if origin is None:
        return version
    record = _record(folder, workspace, origin.run)
    told = _told(record, workspace) if record else {}
    return version.model_copy(
        update={
            "pushed": origin.at or (record.started if record else None),
            "blessed": True,
            "run": origin.run,
            "model": origin.model,
            "artifacts": origin.artifacts,
            **told,
        }
    )


def _record(folder: Path, workspace: Workspace, run: str) -> RunRecord | None:
    """The record of a version's run: kept beside it, or, of an older version, the run's own."""
    for file in (folder / pushed.RECORD, workspace.runs / run / "run.json"):
        if file.is_file():
            return RunRecord.model_validate_json(file.read_bytes())
    return None


def _told(record: RunRecord, workspace: Workspace) -> dict[str, Any]:
    """What a run's record says of the version that it pushed."""
    recipe = json.loads(record.recipe_json)
    return {
        "recipe": recipe,
        "hyperparameters": hyperparameters(record),
        "data": _data(record, recipe, workspace),
        "lineage": {
            f"{stage.name}.{key}": uri
            for stage in record.stages
            for key, uris in stage.outputs.items()
            for uri in uris
        },
        "code": {
            stage.name: digest
            for stage in record.stages
            for name, digest in stage.parameters.items()
            if name.rpartition(".")[2] == "code"
        },
        "packages": record.versions,
        "metrics": record.verdict.metrics,
        "findings": record.verdict.findings,
    }


def hyperparameters(record: RunRecord) -> dict[str, Any]:
    """The section `trainer` of the recipe that was run, flat.

    Args:
        record: The run.
    """
    return dict(flat(json.loads(record.recipe_json).get("trainer", {})))


def _data(record: RunRecord, recipe: Mapping[str, Any], workspace: Workspace) -> dict[str, str]:
    told = {"path": str(recipe.get("data", {}).get("path") or "")}
    examples = record.output("ExampleGen", "examples")
    if examples is None:
        return told
    known = metadata.properties(workspace.metadata, str(examples))
    parameters = record.stage("ExampleGen").parameters
    told |= {key: parameters[key] for key in ("span", "input_fingerprint") if key in parameters}
    # The record has no more than a digest of it.
    rest = {"input_fingerprint": "", "divided": Division.read(known).rule} | known
    return told | {key: rest[key] for key in ("input_fingerprint", "divided") if rest[key]}


def flat(section: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Spreads nested settings.

    Args:
        section: Mappings in mappings.
        prefix: Of their keys.

    Yields:
        Keys such as `optimizer.name`, each with its value.
    """
    if not isinstance(section, Mapping):
        yield prefix, section
        return
    for key, value in section.items():
        yield from flat(value, f"{prefix}.{key}" if prefix else str(key))
