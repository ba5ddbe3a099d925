"""Pusher: a numbered version, written whole, after the contract check."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from trainyard import sources
from trainyard.components.pusher.executor import Executor

_SERVER = "trainyard.serving.__main__"
"""Infrastructure validation starts it as a process."""


class PusherSpec(component_spec.ComponentSpec):  # type: ignore[misc]
    """Channels and parameters of Pusher."""

    PARAMETERS = {
        "destination": component_spec.ExecutionParameter(type=str),
        "runs": component_spec.ExecutionParameter(type=str),
        "rollout": component_spec.ExecutionParameter(type=int),
        "split": component_spec.ExecutionParameter(type=str),
        "contract_rows": component_spec.ExecutionParameter(type=int),
        "infra_validation": component_spec.ExecutionParameter(type=int),
        "code": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS = {"pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)}


class Pusher(base_component.BaseComponent):  # type: ignore[misc]
    """Pushes a blessed model.

    TFX's own Pusher copies file by file into the served folder and checks nothing.

    Args:
        examples: Raw examples, for the contract check.
        transform_graph: Transform's output.
        model: The candidate.
        model_run: The Trainer's folder with the Keras model.
        model_blessing: The Evaluator's answer.
        destination: The model's base path for TensorFlow Serving.
        runs: Where a run's folder may be, whose record goes with the version.
        rollout: Whether the version that answers now goes on answering after the push.
        split: The split whose rows are sent through both graphs.
        contract_rows: How many rows.
        infra_validation: Whether they also go through a model server of its own process.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        examples: BaseChannel,
        transform_graph: BaseChannel,
        model: BaseChannel,
        model_run: BaseChannel,
        model_blessing: BaseChannel,
        destination: str,
        runs: str,
        rollout: bool,
        split: str,
        contract_rows: int,
        infra_validation: bool = False,
    ) -> None:
        super().__init__(
            PusherSpec(
                examples=examples,
                transform_graph=transform_graph,
                model=model,
                model_run=model_run,
                model_blessing=model_blessing,
                destination=destination,
                runs=runs,
                rollout=int(rollout),
                split=split,
                contract_rows=contract_rows,
                infra_validation=int(infra_validation),
                code=sources.digest([__name__, *([_SERVER] if infra_validation else [])]),
                pushed_model=Channel(type=standard_artifacts.PushedModel),
            )
        )
