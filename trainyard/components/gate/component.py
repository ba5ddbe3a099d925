"""Gate: the anomalies that a recipe names stop the run here."""

import json
from collections.abc import Iterable

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact, component_spec, standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from trainyard import sources
from trainyard.components.gate.executor import Executor
from trainyard.recipe_schema import Gate as GateSettings
from trainyard.recipe_schema import Target

_OF_TARGETS = {"label", "task"}  # losses and weights of heads are not the Gate's


class GateFindings(artifact.Artifact):  # type: ignore[misc]
    """What the gate saw and let pass: `gate.json`, a list of findings."""

    TYPE_NAME = "trainyard.GateFindings"  # as Vertex AI wants titles: a word, a dot, a Name


class GateSpec(component_spec.ComponentSpec):  # type: ignore[misc]
    """Channels and parameters of Gate."""

    PARAMETERS = {
        "gate": component_spec.ExecutionParameter(type=str),
        "targets": component_spec.ExecutionParameter(type=str),
        "weight": component_spec.ExecutionParameter(type=str),
        "code": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
    }
    OUTPUTS = {"findings": component_spec.ChannelParameter(type=GateFindings)}


class Gate(base_component.BaseComponent):  # type: ignore[misc]
    """Stops the run on anomalies.

    Args:
        examples: ExampleGen's output, which says what its floats cannot hold.
        statistics: StatisticsGen's output.
        schema: The schema that the data were held against.
        anomalies: ExampleValidator's output.
        gate: The recipe's section of that name.
        targets: What is predicted.
        weight: The column that says how much a row counts; empty if there is none.
    """

    SPEC_CLASS = GateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        examples: BaseChannel,
        statistics: BaseChannel,
        schema: BaseChannel,
        anomalies: BaseChannel,
        gate: GateSettings,
        targets: Iterable[Target],
        weight: str,
    ) -> None:
        super().__init__(
            GateSpec(
                examples=examples,
                statistics=statistics,
                schema=schema,
                anomalies=anomalies,
                gate=gate.model_dump_json(),
                targets=json.dumps([target.model_dump(include=_OF_TARGETS) for target in targets]),
                weight=weight,
                code=sources.digest([__name__]),
                findings=Channel(type=GateFindings),
            )
        )
