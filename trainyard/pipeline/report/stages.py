"""The report's sections on how the run was made: stages, lineage, timings, parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pydantic import BaseModel

from trainyard.pipeline import metadata
from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.report import marks
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe


@dataclass(frozen=True)
class StageRow:
    """One stage, in words.

    Attributes:
        stage: Its record.
        inputs: What it read, and from where.
        outputs: Key and folder of what it wrote, relative to the artifacts' folder.
        share: Its share of the longest stage's time.
    """

    stage: StageRecord
    inputs: list[str]
    outputs: list[tuple[str, str]]
    share: float


@dataclass(frozen=True)
class StagesSection:
    """Stages in the order they run, and a drawing of what they hand on."""

    rows: list[StageRow]
    drawing: Markup


@dataclass(frozen=True)
class Parameter:
    """One key of the recipe: the dotted key, its value, and whether it is the default."""

    key: str
    value: str
    is_default: bool


def stages_section(record: RunRecord, recipe: Recipe) -> StagesSection:
    """Resolves what each stage read to the stage that wrote it."""
    workspace = Workspace.of(recipe)
    ids = {i for stage in record.stages for key in stage.inputs.values() for i in key}
    uris = metadata.uris(workspace.metadata, ids)
    written_by = {
        uri: stage.name
        for stage in record.stages
        for outputs in stage.outputs.values()
        for uri in outputs
    }
    longest = max((stage.seconds for stage in record.stages), default=0.0) or 1.0
    rows = [
        StageRow(
            stage=stage,
            inputs=[
                _input(key, [uris.get(identity, "") for identity in ids], written_by)
                for key, ids in stage.inputs.items()
                if ids
            ],
            outputs=[
                (key, _relative(uri, workspace.artifacts))
                for key, outputs in stage.outputs.items()
                for uri in outputs
            ],
            share=stage.seconds / longest,
        )
        for stage in record.stages
    ]
    return StagesSection(rows, _drawing(record, uris, written_by))


def _input(key: str, uris: list[str], written_by: dict[str, str]) -> str:
    makers = dict.fromkeys(written_by.get(uri, "an earlier run") for uri in uris if uri)
    return f"{key} from {', '.join(makers)}" if makers else key


def _relative(uri: str, root: Path) -> str:
    path = Path(uri)
    return str(path.relative_to(root)) if path.is_relative_to(root) else uri


def _drawing(record: RunRecord, uris: dict[int, str], written_by: dict[str, str]) -> Markup:
    names = [stage.name for stage in record.stages]
    edges = [
        (written_by[uris[identity]], stage.name)
        for stage in record.stages
        for ids in stage.inputs.values()
        for identity in ids
        if uris.get(identity) in written_by
    ]
    states = {stage.name: stage.state for stage in record.stages}
    forward = [(a, b) for a, b in edges if names.index(a) < names.index(b)]
    return marks.arcs(names, forward, states) if forward else Markup()


def parameters(section: BaseModel, prefix: str = "") -> Iterator[Parameter]:
    """Flattens a recipe to dotted keys.

    Args:
        section: The recipe or a section of it.
        prefix: The dotted key so far.
    """
    fields = type(section).model_fields
    for name, value in section:
        field = fields.get(name)
        key = f"{prefix}{field.alias or name if field else name}"
        if isinstance(value, BaseModel):
            yield from parameters(value, f"{key}.")
        else:
            default = field.get_default(call_default_factory=True) if field else None
            yield Parameter(key, _shown(value), is_default=field is not None and value == default)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_defaults=True) if isinstance(value, BaseModel) else str(value)
