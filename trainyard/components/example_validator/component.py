"""ExampleValidator: TFX's, and the data are held against earlier data too."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from trainyard import sources
from trainyard.components.example_validator.executor import Executor


class ExampleValidatorSpec(component_spec.ComponentSpec):  # type: ignore[misc]
    """Channels and parameters of ExampleValidator."""

    PARAMETERS = {"code": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        "previous_statistics": component_spec.ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
    }
    OUTPUTS = {
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies)
    }


class ExampleValidator(base_component.BaseComponent):  # type: ignore[misc]
    """Finds what is unusual in the data, by the schema.

    Args:
        statistics: StatisticsGen's output.
        schema: What is expected; its `drift_comparator`s compare with earlier data.
        previous_statistics: Those earlier data's; nothing drifts without. TFX's own component
            cannot be given any.
    """

    SPEC_CLASS = ExampleValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        statistics: BaseChannel,
        schema: BaseChannel,
        previous_statistics: BaseChannel | None = None,
    ) -> None:
        super().__init__(
            ExampleValidatorSpec(
                statistics=statistics,
                schema=schema,
                previous_statistics=previous_statistics,
                code=sources.digest([__name__]),
                anomalies=Channel(type=standard_artifacts.ExampleAnomalies),
            )
        )
