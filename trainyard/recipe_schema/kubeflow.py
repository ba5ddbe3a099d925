"""How a recipe's pods look on Kubeflow, and what they share."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from trainyard.recipe_schema.base import Section

Dns = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""A name that Kubernetes takes: small letters, digits, dots and dashes."""
Cpu = Annotated[str, Field(pattern=r"^\d+(\.\d+)?m?$")]
Memory = Annotated[str, Field(pattern=r"^\d+(\.\d+)?[KMGT]i?$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]


def _absolute(value: str) -> str:
    if not value.startswith("/") or value == "/":
        raise ValueError("a folder of the pods, such as /trainyard")
    return value.rstrip("/")


Folder = Annotated[str, AfterValidator(_absolute)]

SHARED = {"trainyard": "/trainyard"}
"""The volume that a recipe has if it names none."""


class MetadataStore(Section):
    """The ML Metadata store that all pods share."""

    kind: Literal["grpc", "mysql", "sqlite"] = Field(
        "grpc",
        description="grpc: ML Metadata's own server, such as that of Kubeflow Pipelines. mysql: a "
        "database. sqlite is refused: pods would each have a file of their own.",
    )
    host: str = "metadata-grpc-service.kubeflow"
    port: int | None = Field(
        None, ge=1, le=65535, description="If not given, 8080 (grpc) or 3306 (mysql)."
    )
    database: str = Field("trainyard", description="mysql: its name; it has to be there.")
    secret: Dns | None = Field(
        None, description="mysql: a secret with the keys `username` and `password`."
    )

    @model_validator(mode="after")
    def _is_shared(self) -> Self:
        if self.kind == "sqlite":
            raise ValueError(
                "sqlite is a file of one process; pods need a store that they share: grpc or mysql"
            )
        if (self.secret is None) == (self.kind == "mysql"):
            raise ValueError("`secret` belongs to mysql, which needs one")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or {"mysql": 3306}.get(self.kind, 8080)


class Secret(Section):
    """A secret of the cluster, by reference: its content is never in a compiled file."""

    name: Dns
    env: dict[str, Variable] = Field(
        default_factory=dict, description="Environment variables, `KEY OF THE SECRET: VARIABLE`."
    )
    mount: Folder | None = Field(None, description="A folder that has a file for each key.")

    @model_validator(mode="after")
    def _used(self) -> Self:
        if not self.env and self.mount is None:
            raise ValueError("say where pods find it: `env`, `mount`, or both")
        return self


class Pod(Section):
    """What a pod asks of the cluster; what is not given is left to the cluster."""

    cpu: Cpu | None = Field(None, description="Cores, such as `2` or `500m`.")
    memory: Memory | None = Field(None, description="Such as `4G` or `512Mi`.")
    gpu: int | None = Field(None, ge=0, description="How many.")
    gpu_resource: str = Field("nvidia.com/gpu", description="What the cluster calls them.")
    node_selector: dict[str, str] = Field(
        default_factory=dict, description="Labels of the machines that may run it."
    )
    retries: int | None = Field(None, ge=0, description="How often it is started again.")


class Kubeflow(Section):
    """How the recipe runs on Kubeflow Pipelines: `trainyard kubeflow compile`."""

    image: str = Field(
        "trainyard:latest",
        pattern=r"^[a-z0-9][\w.:/@-]*$",
        description="What `trainyard image build` made, as the cluster finds it.",
    )
    root: str | None = Field(
        None,
        description="The folder that all pods share: artifacts, pushed models, data sets. On a "
        "volume, or gs://BUCKET/FOLDER with a volume at /gcs/BUCKET (Cloud Storage FUSE). If not "
        "given, the first volume.",
    )
    volumes: dict[Dns, Folder] = Field(
        default_factory=lambda: dict(SHARED),
        min_length=1,
        description="Persistent volume claims that all pods mount, `CLAIM: FOLDER`.",
    )
    metadata: MetadataStore = MetadataStore()
    secrets: tuple[Secret, ...] = ()
    caching: bool = Field(True, description="Whether unchanged stages are skipped.")
    pod: Pod = Field(Pod(), description="Every stage's.")
    nodes: dict[str, Pod] = Field(
        default_factory=dict,
        description="Single stages', such as `Trainer: {gpu: 1}`: what they say in place of `pod`.",
    )
    service_account: Dns | None = Field(None, description="Whose rights the pods have.")
    image_pull_secret: Dns | None = Field(None, description="For a registry that asks who it is.")
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None

    def pod_of(self, node: str) -> Pod:
        """What a stage's pod asks for.

        Args:
            node: The stage's name.
        """
        own = self.nodes.get(node, Pod())
        return self.pod.model_copy(update={k: getattr(own, k) for k in own.model_fields_set})
