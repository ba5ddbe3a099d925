"""Transform: stock's component, our executor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfx.components.transform import component
from tfx.dsl.components.base import executor_spec
from tfx.types.channel import BaseChannel

from trainyard import sources
from trainyard.components.transform.executor import BeamExecutor, Executor


class Transform(component.Transform):  # type: ignore[misc]  # TFX is not typed
    """Fits a preprocessing_fn on the training split and applies it to all splits.

    Args:
        examples: ExampleGen's output.
        schema: The schema of the examples.
        preprocessing_fn: A dotted path.
        custom_config: What the function is given under that name; this adds a
            digest of the engine's code, so that the cache notices a change.
        **stock: Other arguments of stock's component. Statistics are off unless asked for.
    """

    # Stock's executor, which ours falls back on, needs the Beam options.
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        *,
        examples: BaseChannel,
        schema: BaseChannel,
        preprocessing_fn: str,
        custom_config: Mapping[str, Any],
        **stock: Any,
    ) -> None:
        super().__init__(
            examples=examples,
            schema=schema,
            preprocessing_fn=preprocessing_fn,
            custom_config={**custom_config, "engine_code": sources.digest([__name__])},
            **{"disable_statistics": True, **stock},
        )


class BeamTransform(component.Transform):  # type: ignore[misc]  # TFX is not typed
    """Stock's component; only that what ExampleGen noted of the columns goes with the graph."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(BeamExecutor)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.with_id("Transform")  # the stage has one name under both engines
