"""What the data stages run on: the same components' channels, two sets of executors.

`local` has columnar, streaming executors for one machine, `beam` TFX's own on
whatever runner the recipe names. ExampleGen is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from trainyard.recipe_schema import Recipe


@dataclass(frozen=True)
class Engine:
    """The constructors that `build_pipeline` calls.

    Attributes:
        statistics_gen: Takes `examples`.
        transform: Takes `examples`, `schema`, `preprocessing_fn`, `custom_config`.
        evaluator: Takes `examples`, `schema`, `model`, `baseline_model`, `eval_config`,
            `example_splits`.
    """

    statistics_gen: Callable[..., Any]
    transform: Callable[..., Any]
    evaluator: Callable[..., Any]


def of(recipe: Recipe) -> Engine:
    """Returns the engine that a recipe names."""
    from trainyard.components.statistics_gen.options import options

    engine = _ENGINES[recipe.engine.name]()
    if not recipe.data.images:
        return engine
    statistics_gen = partial(engine.statistics_gen, stats_options=options(recipe.data))
    return replace(engine, statistics_gen=statistics_gen)


def _local() -> Engine:
    from trainyard.components.evaluator.component import Evaluator
    from trainyard.components.statistics_gen.component import StatisticsGen
    from trainyard.components.transform.component import Transform

    return Engine(StatisticsGen, Transform, Evaluator)


def _beam() -> Engine:
    from tfx.components.statistics_gen.component import StatisticsGen

    from trainyard.components.evaluator.component import Evaluator
    from trainyard.components.evaluator.executor import BeamExecutor
    from trainyard.components.transform.component import BeamTransform

    return Engine(
        StatisticsGen,
        partial(BeamTransform, disable_statistics=True),
        # Our component: stock's has no parameter for the code of ours that TFMA calls.
        partial(Evaluator, executor=BeamExecutor),
    )


_ENGINES: Mapping[str, Callable[[], Engine]] = {"local": _local, "beam": _beam}
