"""Launches single nodes of a compiled DAG, and says what became of each."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from ml_metadata.proto.metadata_store_pb2 import Execution
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import data_types, launcher, runtime_parameter_utils
from tfx.proto.orchestration import executable_spec_pb2

from trainyard.components.pusher import versions
from trainyard.pipeline import unchanged
from trainyard.pipeline.dag import build_pipeline
from trainyard.pipeline.records import StageRecord
from trainyard.pipeline.runners import code_changes
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

_LONGEST_VALUE = 60


class NodeRunner:
    """A compiled DAG and the metadata store that its nodes share.

    Args:
        recipe: A resolved recipe.
        workspace: Its folders.
        run_id: MLMD's name for this run.
        store: How to reach the metadata store; the workspace's own if None.
    """

    def __init__(
        self, recipe: Recipe, workspace: Workspace, run_id: str, store: Any = None
    ) -> None:
        # TFX hands the command line on to Beam, which would read ours.
        sys.argv = sys.argv[:1]
        self._workspace = workspace
        self._pipeline = compiler.Compiler().compile(build_pipeline(recipe, workspace))
        runtime_parameter_utils.substitute_runtime_parameter(
            self._pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
        )
        self._deployment = runner_utils.extract_local_deployment_config(self._pipeline)
        connection = self._deployment.metadata_connection_config
        own = getattr(connection, connection.WhichOneof("connection_config"))
        self._connection = store or own
        nodes = [node.pipeline_node for node in self._pipeline.nodes]
        self._nodes = {node.node_info.id: node for node in nodes}
        self._outputs: dict[str, dict[str, list[str]]] = {}

    @property
    def names(self) -> list[str]:
        """The nodes in the order in which they run."""
        return list(self._nodes)

    @property
    def descendants(self) -> dict[str, list[str]]:
        """For each node all that depend on it, in order."""
        below: dict[str, set[str]] = {}
        for name, node in reversed(self._nodes.items()):
            children = set(node.downstream_nodes)
            below[name] = children.union(*(below[child] for child in children))
        names = self.names
        return {name: [other for other in names if other in below[name]] for name in names}

    @property
    def last(self) -> str:
        """The node that nothing waits for: when it has ended, the run has."""
        return self.names[-1]

    def remember(self, stage: StageRecord) -> None:
        """Takes note of what another process has launched.

        Args:
            stage: An earlier node of this run, which has ended.
        """
        self._outputs[stage.name] = stage.outputs

    def launch(self, stage: StageRecord, earlier: StageRecord | None) -> None:
        """Runs one node, or takes its outputs from the cache.

        Args:
            stage: Filled in: state, reason, inputs, parameters, outputs. A reason
                that is there already forbids the cache.
            earlier: The same stage of the run before, to say what changed.
        """
        node = self._nodes[stage.name]
        reason = stage.reason or self._why_cache_would_lie(stage.name)
        node.execution_options.caching_options.enable_cache = not reason
        info = self._launcher(stage.name).launch()
        if info is None:
            raise RuntimeError(f"{stage.name} could not be launched: its inputs are not there")
        cached = self._describe(stage, info)
        code_changes.keep(self._workspace.code, stage.parameters)
        if self._only_looks_up(stage.name):
            cached = earlier is not None and earlier.outputs == stage.outputs
            reason = "an earlier blessed model" if stage.outputs else "no earlier blessed model"
        if cached:
            stage.state, stage.reason = "unchanged", unchanged.REASON
        else:
            reason = reason or _what_changed(stage, earlier, self._workspace.code)
            stage.state, stage.reason = "done", reason

    def _launcher(self, name: str) -> launcher.Launcher:
        spec = self._executor_spec(name)
        made = launcher.Launcher(
            pipeline_node=self._nodes[name],
            mlmd_connection=metadata.Metadata(self._connection),
            pipeline_info=self._pipeline.pipeline_info,
            pipeline_runtime_spec=self._pipeline.runtime_spec,
            executor_spec=spec,
            custom_driver_spec=runner_utils.extract_custom_driver_spec(self._deployment, name),
        )
        # The executor has its spec by now; the launcher keeps one for the cache's key alone.
        made._executor_spec = _without_beam_options(spec)
        return made

    def _executor_spec(self, name: str) -> Message | None:
        return runner_utils.extract_executor_spec(self._deployment, name)

    def _why_cache_would_lie(self, name: str) -> str:
        """The Pusher's effect is outside the metadata: look whether it still holds."""
        if name != "Pusher":
            return ""
        served = versions.newest_model(self._workspace.serving)
        if not served:
            return "no version is served yet"
        is_served = served in self._outputs["Trainer"]["model"]
        return "" if is_served else "this model is not the newest one served"

    def _only_looks_up(self, name: str) -> bool:
        """Whether a node has no work of its own, only a question to the metadata."""
        return self._executor_spec(name) is None

    def _describe(self, stage: StageRecord, info: data_types.ExecutionInfo) -> bool:
        """Fills in what went in and came out; returns whether it came from the cache."""
        with metadata.Metadata(self._connection) as handle:
            (execution,) = handle.store.get_executions_by_id([info.execution_id])
            events = handle.store.get_events_by_execution_ids([info.execution_id])
            artifacts = handle.store.get_artifacts_by_id([event.artifact_id for event in events])
        by_id = {artifact.id: artifact for artifact in artifacts}
        for event in events:
            key, artifact = event.path.steps[0].key, by_id[event.artifact_id]
            if event.type in (event.OUTPUT, event.INTERNAL_OUTPUT):
                stage.outputs.setdefault(key, []).append(artifact.uri)
            else:
                stage.inputs.setdefault(key, []).append(artifact.id)
        self._outputs[stage.name] = stage.outputs
        stage.parameters = dict(_flatten("", info.exec_properties or {}))
        state = execution.last_known_state
        if state not in (Execution.CACHED, Execution.COMPLETE):
            raise RuntimeError(f"{stage.name} ended in state {Execution.State.Name(state)}")
        return bool(state == Execution.CACHED)


def _without_beam_options(spec: Message | None) -> Message | None:
    """What goes into the cache's key: what a stage computes, not where.

    Otherwise the port of a run's own job server would have every stage run again.
    """
    if not isinstance(spec, executable_spec_pb2.BeamExecutableSpec):
        return spec
    return executable_spec_pb2.BeamExecutableSpec(python_executor_spec=spec.python_executor_spec)


def _flatten(prefix: str, value: Any) -> Iterable[tuple[str, str]]:
    """Spreads nested parameters, JSON texts included, into `a.b.c` and a short value."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        with suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else str(key), inner)
    else:
        yield prefix, _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else hashlib.sha256(text.encode()).hexdigest()[:16]


def _what_changed(stage: StageRecord, earlier: StageRecord | None, code: Path) -> str:
    if earlier is None or not earlier.outputs:
        return "no earlier result"
    inputs = [key for key, ids in stage.inputs.items() if earlier.inputs.get(key) != ids]
    if inputs:
        return f"changed input: {', '.join(sorted(inputs))}"
    names = stage.parameters.keys() | earlier.parameters.keys()
    changed = [n for n in sorted(names) if stage.parameters.get(n) != earlier.parameters.get(n)]
    if not changed:
        return "the earlier result is gone"
    name = changed[0]
    before, now = earlier.parameters.get(name, "unset"), stage.parameters.get(name, "unset")
    if code_changes.is_code(name):
        return code_changes.reason(code, before, now)
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"changed parameter: {name.rpartition('trainyard.')[2]} from {before} to {now}{more}"
