"""CuratedSchema: a reviewed schema as an artifact.

TFX's ImportSchemaGen knows its file by path only, so an edited schema would be
taken from the cache; here the text itself is the parameter.
"""

from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts
from tfx.types.channel import Channel


class Executor(base_executor.BaseExecutor):  # type: ignore[misc]
    """Writes the schema's text."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `schema.pbtxt` under the output artifact."""
        del input_dict
        folder = Path(artifact_utils.get_single_uri(output_dict["schema"]))
        (folder / "schema.pbtxt").write_text(exec_properties["text"], encoding="utf-8")


class CuratedSchemaSpec(component_spec.ComponentSpec):  # type: ignore[misc]
    """Channels and parameters of CuratedSchema."""

    PARAMETERS = {"text": component_spec.ExecutionParameter(type=str)}
    INPUTS: dict[str, component_spec.ChannelParameter] = {}
    OUTPUTS = {"schema": component_spec.ChannelParameter(type=standard_artifacts.Schema)}


class CuratedSchema(base_component.BaseComponent):  # type: ignore[misc]
    """Brings a curated schema into the DAG.

    Args:
        text: The schema as protobuf text.
    """

    SPEC_CLASS = CuratedSchemaSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, text: str) -> None:
        schema = Channel(type=standard_artifacts.Schema)
        super().__init__(CuratedSchemaSpec(text=text, schema=schema))
