"""Looks whether a recipe's engine can be used, and has it at hand while a run lasts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainyard.errors import EnvironmentProblem
from trainyard.pipeline.beam import endpoints
from trainyard.pipeline.beam.job_servers import JobServer, serving
from trainyard.pipeline.workspace import home
from trainyard.recipe_schema import DataflowEngine, Engine, FlinkEngine, PortableEngine, Recipe


def check(engine: Engine) -> None:
    """Looks at everything that a run needs of a cluster, before it begins.

    Args:
        engine: Of a resolved recipe.

    Raises:
        EnvironmentProblem: Something is not there, or is another version.
    """
    if isinstance(engine, DataflowEngine):
        raise EnvironmentProblem(
            "the workers of Dataflow cannot read the folders of this machine",
            where=str(home()),
            expected="artifacts in a bucket",
            hint="run the recipe as a Kubeflow pipeline whose root is gs://BUCKET/FOLDER",
        )
    if not isinstance(engine, PortableEngine):
        return
    if engine.job_endpoint:
        endpoints.check_job_server(engine.job_endpoint)
        return
    JobServer.of(engine).prepare()
    if isinstance(engine, FlinkEngine) and engine.flink_master:
        endpoints.check_flink(engine.flink_master, engine.flink_version)
    if engine.master is None:
        _check_workers_here(engine)


def _check_workers_here(engine: PortableEngine) -> None:
    """Whether a cluster within the job server, on this machine, finds its Python workers."""
    if engine.worker_pool:
        endpoints.check_worker_pool(engine.worker_pool)
    if engine.container_image and shutil.which("docker") is None:
        raise EnvironmentProblem(
            "there is no Docker to start the Python workers with",
            where="engine.container_image",
            received=engine.container_image,
            hint="leave it out, and this process works; or install Docker",
        )


@contextmanager
def at_hand(recipe: Recipe, log: Path) -> Iterator[Recipe]:
    """Starts the job server that a recipe needs and does not name, and stops it in the end.

    Args:
        recipe: A resolved recipe.
        log: Where to what the job server says goes.

    Yields:
        The recipe, which names the job server.

    Raises:
        EnvironmentProblem: It cannot be started.
    """
    engine = recipe.engine
    if not isinstance(engine, PortableEngine) or engine.job_endpoint:
        yield recipe
        return
    with serving(JobServer.of(engine).prepare(), log) as address:
        named = engine.model_copy(update={"job_endpoint": address})
        yield recipe.model_copy(update={"engine": named})
