"""What the data stages run on: this machine, or a cluster through a runner of Apache Beam.

There is a model for each runner; `runner` says which. What a field is called, Beam calls it
too, so that `trainyard.pipeline.beam.options` hands it on by its name; the exceptions are
`worker_pool` and `container_image`, each of which is several options of Beam's, and
`job_server` and `job_server_jar`, as a run starts its job server itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from trainyard.recipe_schema.base import Section
from trainyard.recipe_schema.secret_values import check_option

_HERE = ("localhost", "127.0.0.1", "::1")


def _split(address: str) -> SplitResult:
    return urlsplit(address if "//" in address else f"//{address}")


def _is_here(address: str) -> bool:
    return _split(address).hostname in _HERE


def _with_port(address: str) -> str:
    parts = _split(address)
    if not parts.hostname or not parts.port or parts.path.strip("/"):
        raise ValueError(f"{address!r} should be HOST:PORT, such as localhost:8099")
    return address


def _without_scheme(address: str) -> str:
    if "/" in address:
        raise ValueError(f"{address!r} should be HOST:PORT, without a scheme or a path")
    return address


def _bucket(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme != "gs" or not parts.netloc:
        raise ValueError(f"{address!r} should be gs://BUCKET/FOLDER")
    return address


def _coordinates(artifact: str) -> str:
    if not re.fullmatch(r"[\w.-]+:[\w.-]+:[\w.-]+", artifact):
        raise ValueError(f"{artifact!r} should be GROUP:NAME:VERSION, as Maven has it")
    return artifact


Url = Annotated[str, AfterValidator(_with_port)]
Address = Annotated[Url, AfterValidator(_without_scheme)]
Artifact = Annotated[str, AfterValidator(_coordinates)]
Bucket = Annotated[str, AfterValidator(_bucket)]
Option = Annotated[str, AfterValidator(check_option)]


class Engine(Section):
    """What the data stages run on: what all runners share."""

    name: str
    runner: str
    beam_options: tuple[Option, ...] = Field(
        (),
        description="beam: passed on as they are. `--name=${env:NAME}` or `${file:PATH}` keeps a "
        "secret out of the recipe.",
    )


class DirectEngine(Engine):
    """What the data stages run on; a runner other than `direct` has keys of its own, below."""

    name: Literal["local", "beam"] = Field(
        "local",
        description="local: columnar executors for one machine; beam: TFX's own on a Beam runner.",
    )
    runner: Literal["direct"] = Field(
        "direct", description="beam: `direct`, `flink`, `spark` or `dataflow`."
    )

    @field_validator("runner", mode="before")
    @classmethod
    def _is_known(cls, value: Any) -> Any:
        if value != "direct":
            known = {"expected": "'direct', 'flink', 'spark' or 'dataflow'"}
            raise PydanticCustomError("literal_error", "Input should be {expected}", known)
        return value


class PortableEngine(Engine):
    """What Flink and Spark share: a Beam job server takes the job, Python workers do the work."""

    name: Literal["beam"] = "beam"
    job_endpoint: Address | None = Field(
        None,
        description="HOST:PORT of a Beam job server; if not given, a run starts its own and stops "
        "it.",
    )
    artifact_endpoint: Address | None = Field(
        None, description="HOST:PORT, if it is not the one that the job server names."
    )
    worker_pool: Address | None = Field(
        None,
        description="HOST:PORT of a pool of Python workers, as the cluster's machines see it.",
    )
    container_image: str | None = Field(
        None,
        min_length=1,
        description="The project as an image, which the cluster's machines start by Docker. With "
        "neither this nor `worker_pool` the run's own process works (LOOPBACK): for a cluster on "
        "this machine.",
    )
    job_server: Artifact | None = Field(
        None,
        description="GROUP:NAME:VERSION of the job server in Maven, which fetches it, once, with "
        "what it depends on; if not given, the runner's `-job-server` in the version of Beam here.",
    )
    job_server_jar: str | None = Field(
        None, description="A jar in its place; relative to the recipe."
    )
    sdk_worker_parallelism: int | None = Field(
        None, ge=0, description="Python workers on each machine; 0: as many as the runner thinks."
    )

    @property
    def master(self) -> str | None:
        """The cluster's address, if it is one of its own and not started for the run."""
        return None

    @property
    def loopback(self) -> bool:
        """Whether the run's own process does the Python work."""
        return not (self.worker_pool or self.container_image)

    @model_validator(mode="after")
    def _one_kind_of_workers(self) -> Self:
        if self.worker_pool and self.container_image:
            raise ValueError("give either `worker_pool` or `container_image`")
        return self

    @model_validator(mode="after")
    def _one_job_server(self) -> Self:
        if self.job_server and self.job_server_jar:
            raise ValueError("give either `job_server` or `job_server_jar`")
        return self

    @model_validator(mode="after")
    def _workers_within_reach(self) -> Self:
        far = [each for each in (self.job_endpoint, self.master) if each and not _is_here(each)]
        if far and self.loopback:
            raise ValueError(
                f"the machines of {far[0]} cannot reach Python workers in this process: give "
                "`worker_pool` or `container_image`"
            )
        return self


class FlinkEngine(PortableEngine):
    """What the data stages run on with `runner: flink`."""

    runner: Literal["flink"]
    flink_master: Url | None = Field(
        None,
        description="HOST:PORT of the cluster's REST interface; if not given, what the job server "
        "was started with, and else a Flink within it.",
    )
    flink_version: Literal["1.17", "1.18", "1.19"] = Field(
        "1.19", description="The cluster's; Beam has a job server for each."
    )
    parallelism: int | None = Field(
        None, ge=1, description="Slots a stage works in; if not given, the cluster's default."
    )
    max_parallelism: int | None = Field(None, ge=1, description="Key groups of the state.")

    @property
    def master(self) -> str | None:
        """The address of the cluster's REST interface."""
        return self.flink_master

    @field_validator("flink_version", mode="before")
    @classmethod
    def _a_number_in_yaml(cls, value: Any) -> Any:
        return str(value) if isinstance(value, float) else value


class SparkEngine(PortableEngine):
    """What the data stages run on with `runner: spark`, which was never run."""

    runner: Literal["spark"]
    spark_master_url: str | None = Field(
        None, description="`spark://HOST:PORT`; if not given, a Spark within the job server."
    )

    @property
    def master(self) -> str | None:
        """The address of the cluster's master."""
        url = self.spark_master_url or "local"
        return None if url.startswith("local") else url


class DataflowEngine(Engine):
    """What the data stages run on with `runner: dataflow`, which was never run."""

    name: Literal["beam"] = "beam"
    runner: Literal["dataflow"]
    project: str = Field(min_length=1)
    region: str = Field(min_length=1)
    temp_location: Bucket = Field(description="gs://BUCKET/FOLDER.")
    staging_location: Bucket | None = Field(
        None, description="gs://BUCKET/FOLDER; if not given, below `temp_location`."
    )
    container_image: str = Field(min_length=1, description="The project as an image.")
    num_workers: int | None = Field(None, ge=1, description="At the start.")
    max_num_workers: int | None = Field(None, ge=1, description="When there is much to do.")
    machine_type: str | None = Field(None, description="Of a worker, such as n2-standard-4.")
    service_account_email: str | None = Field(None, description="Whose rights the workers have.")

    @model_validator(mode="after")
    def _numbers_fit(self) -> Self:
        if (self.num_workers or 0) > (self.max_num_workers or float("inf")):
            raise ValueError("`num_workers` are more than `max_num_workers`")
        return self


_BRANCHES = {"flink": "(flink)", "spark": "(spark)", "dataflow": "(dataflow)"}


def _branch(engine: Any) -> str:
    runner = engine.get("runner") if isinstance(engine, Mapping) else getattr(engine, "runner", "")
    return _BRANCHES.get(str(runner), "(direct)")


AnyEngine = Annotated[
    Annotated[DirectEngine, Tag("(direct)")]
    | Annotated[FlinkEngine, Tag("(flink)")]
    | Annotated[SparkEngine, Tag("(spark)")]
    | Annotated[DataflowEngine, Tag("(dataflow)")],
    Discriminator(_branch),
]
