"""A recipe's engine as Beam's pipeline options: the strings that Beam parses."""

from __future__ import annotations

from trainyard.recipe_schema import DataflowEngine, Engine, PortableEngine

RUNNERS = {"flink": "FlinkRunner", "spark": "SparkRunner", "dataflow": "DataflowRunner"}

# Seconds. Where a job server lets it, Beam follows a job's state no longer than this, by default a
# minute, and fails while the job goes on.
_TIMEOUT = "--job_server_timeout=604800"

_NOT_BEAMS = {*Engine.model_fields, "worker_pool", "container_image"}
_NOT_BEAMS |= {"job_server", "job_server_jar"}


def options(engine: Engine) -> list[str]:
    """Writes an engine's options.

    Args:
        engine: Of a resolved recipe.

    Returns:
        Such as `--parallelism=4`; those of `beam_options` last, so that they win. None at all
        for Beam's direct runner, which is its default: with any option TFX first packs its own
        sources.
    """
    if engine.runner not in RUNNERS:
        return [*engine.beam_options]
    given = engine.model_dump(exclude=_NOT_BEAMS, exclude_none=True)
    own = [f"--{name}={value}" for name, value in given.items()]
    return [f"--runner={RUNNERS[engine.runner]}", *own, *_workers(engine), *engine.beam_options]


def _workers(engine: Engine) -> list[str]:
    """Where the Python work is done.

    With no image TFX packs its own sources for each stage, for workers to install. None has to:
    pool and image have the whole project, as this process has.
    """
    if isinstance(engine, DataflowEngine):
        return [f"--sdk_container_image={engine.container_image}"]
    if not isinstance(engine, PortableEngine):
        return []
    if engine.container_image:
        kind, where = "DOCKER", [f"--environment_config={engine.container_image}"]
    elif engine.worker_pool:
        kind, where = "EXTERNAL", [f"--environment_config={engine.worker_pool}"]
    else:
        kind, where = "LOOPBACK", []
    image = engine.container_image or "installed"
    return [_TIMEOUT, f"--environment_type={kind}", *where, f"--sdk_container_image={image}"]
