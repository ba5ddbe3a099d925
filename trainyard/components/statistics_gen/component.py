"""StatisticsGen: stock's component with our executor."""

from __future__ import annotations

from tensorflow_data_validation.statistics.stats_options import StatsOptions
from tfx.components.statistics_gen import component as stock
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts, standard_component_specs
from tfx.types.channel import BaseChannel, Channel
from tfx.utils import json_utils

from trainyard import sources
from trainyard.components.statistics_gen.executor import Executor


class StatisticsGenSpec(standard_component_specs.StatisticsGenSpec):  # type: ignore[misc]
    """Stock's channels and parameters, and a digest of the code for the cache."""

    PARAMETERS = {
        **standard_component_specs.StatisticsGenSpec.PARAMETERS,
        "code": component_spec.ExecutionParameter(type=str),
    }


class StatisticsGen(stock.StatisticsGen):  # type: ignore[misc]  # TFX is not typed
    """Computes TFDV's statistics of every split on one machine.

    Args:
        examples: ExampleGen's output.
        stats_options: TFDV's options; those that only Beam can do are left to Beam.
        exclude_splits: Splits to leave out.
    """

    SPEC_CLASS = StatisticsGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        stats_options: StatsOptions | None = None,
        exclude_splits: list[str] | None = None,
    ) -> None:
        spec = StatisticsGenSpec(
            examples=examples,
            stats_options_json=stats_options.to_json() if stats_options else None,
            exclude_splits=json_utils.dumps(exclude_splits or []),
            code=sources.digest([__name__]),
            statistics=Channel(type=standard_artifacts.ExampleStatistics),
        )
        # Past stock's constructor, which knows stock's parameters only.
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
