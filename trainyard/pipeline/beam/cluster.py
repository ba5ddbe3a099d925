"""Looks whether a recipe's engine can be used, and has it at hand while a run lasts."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from trainyard.errors import EnvironmentProblem
from trainyard.pipeline import quiet
from trainyard.pipeline.beam import endpoints
from trainyard.pipeline.beam.job_servers import JobServer
from trainyard.pipeline.beam.processes import serving
from trainyard.pipeline.workspace import home
from trainyard.recipe_schema import (
    DataflowEngine,
    Engine,
    FlinkEngine,
    PortableEngine,
    Recipe,
    secret_values,
)


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
            hint="another runner: folders that several machines see are no buckets either",
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
    """Has a job server for a recipe's stages while they run, and leaves no job behind.

    Args:
        recipe: A resolved recipe.
        log: Where to what a job server says that the recipe does not name.

    Yields:
        The recipe, which names the job server and its jobs, with the values of its secrets: it
        goes into no record.

    Raises:
        EnvironmentProblem: The job server cannot be started.
        RecipeError: A secret is missing.
    """
    engine = _with_secrets(recipe.engine)
    if not isinstance(engine, PortableEngine):
        yield recipe.model_copy(update={"engine": engine})
        return
    job = f"trainyard-{recipe.name}-{uuid4().hex[:8]}".replace("_", "-")
    with _job_server(engine, log) as address:
        named = {
            "job_endpoint": address,
            "beam_options": (f"--job_name={job}", *engine.beam_options),
        }
        try:
            yield recipe.model_copy(update={"engine": engine.model_copy(update=named)})
        except BaseException:
            endpoints.cancel(address, job)
            _hush()
            raise
        finally:
            secret_values.hide_in_file(log)


def _with_secrets(engine: Engine) -> Engine:
    """The engine as Beam is told of it, and nobody else."""
    key = "engine.beam_options"
    options = tuple(secret_values.resolve(each, key) for each in engine.beam_options)
    return engine.model_copy(update={"beam_options": options})


def _hush() -> None:
    """Beam's threads that read from a job end with an error once the job server is gone."""
    import grpc

    quiet.log_to(logging.CRITICAL)
    told = threading.excepthook

    def tell(failed: threading.ExceptHookArgs) -> None:
        if not issubclass(failed.exc_type, grpc.RpcError):
            told(failed)

    threading.excepthook = tell


@contextmanager
def _job_server(engine: PortableEngine, log: Path) -> Iterator[str]:
    if engine.job_endpoint:
        yield engine.job_endpoint
        return
    with serving(JobServer.of(engine).prepare(), log) as address:
        yield address
