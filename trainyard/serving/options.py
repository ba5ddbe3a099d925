"""What a server is told when it starts. Names are TensorFlow Serving's flags where it has them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from trainyard.recipe_schema import Section

Batching = Literal["auto", "on", "off"]


class Options(Section):
    """A server of one model."""

    model_name: str = Field(description="What clients call it.")
    model_base_path: Path = Field(description="Holds one numbered folder a version.")
    host: str = Field("127.0.0.1", description="Where to listen; 0.0.0.0 for all addresses.")
    port: int = Field(8500, ge=0, le=65535, description="gRPC; 0: any that is free.")
    rest_api_port: int = Field(8501, ge=0, le=65535, description="REST; 0: any that is free.")
    num_versions: int = Field(
        2, ge=1, description="Newest versions kept loaded: a rollback then has nothing to load."
    )
    poll_seconds: float = Field(0.25, gt=0, description="How often the base path is looked at.")
    batching: Batching = Field(
        "auto",
        description="Whether requests of several clients go through the model together. auto: "
        "where the Pusher has proved that rows are independent. on: wherever the shapes allow it; "
        "a model whose rows are not independent then mixes answers of different clients.",
    )
    max_batch_size: int = Field(256, ge=1, description="Rows that go through the model together.")
    max_enqueued_requests: int = Field(
        1000, ge=1, description="Requests that may wait for one signature; more are refused."
    )
    num_batch_threads: int = Field(1, ge=1, description="Batches of a version run at once.")
    tensorflow_intra_op_parallelism: int = Field(
        1, ge=1, description="Threads of one operation, such as a large matrix product."
    )
    max_request_bytes: int = Field(64 << 20, ge=1024, description="Of a request or a response.")
    rest_api_timeout_in_ms: int = Field(30_000, ge=1, description="After it a request is 504.")
    grace_seconds: float = Field(10.0, ge=0, description="What SIGTERM leaves running requests.")
    log_folder: Path | None = Field(
        None, description="Of the request log; none: nothing is logged."
    )
    log_sampling_rate: float = Field(0.1, ge=0, le=1, description="Share of requests logged.")
    log_file_bytes: int = Field(16 << 20, ge=1024, description="A log file is closed beyond this.")
    log_file_seconds: float = Field(60.0, gt=0, description="And after this time.")
    log_total_bytes: int = Field(
        1 << 30, ge=1024, description="Of all log files; beyond it the oldest are removed."
    )
