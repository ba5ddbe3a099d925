"""Metadata stores by an address in one word, as `run-node` is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from trainyard.errors import EnvironmentProblem, RecipeError
from trainyard.recipe_schema import MetadataStore

USER, PASSWORD = "TRAINYARD_MYSQL_USER", "TRAINYARD_MYSQL_PASSWORD"
"""Where a pod finds what its secret says; never in a compiled file."""

_SECONDS = 60
"""For one answer of the store's server."""


def address(store: MetadataStore) -> str:
    """Says where a store is.

    Args:
        store: What the recipe says.

    Returns:
        Such as `grpc://metadata-grpc-service.kubeflow:8080` or `mysql://mysql:3306/trainyard`.
    """
    host, port = store.address
    path = f"/{store.database}" if store.kind == "mysql" else ""
    return f"{store.kind}://{host}:{port}{path}"


def connection(address: str) -> Any:
    """Makes what ML Metadata connects with.

    Args:
        address: What the function of that name returned, or `sqlite:FILE` for a file that
            processes of one machine share.

    Raises:
        RecipeError: It is none of these.
        EnvironmentProblem: A user or a password is missing.
    """
    parts = urlsplit(address)
    if parts.scheme not in _KINDS:
        raise RecipeError(
            "no such metadata store",
            expected="grpc://HOST:PORT, mysql://HOST:PORT/DATABASE or sqlite:FILE",
            received=address,
        )
    return _KINDS[parts.scheme](parts)


def check(address: str) -> None:
    """Makes sure that a store answers.

    Args:
        address: As in `connection`.

    Raises:
        EnvironmentProblem: It does not.
    """
    import ml_metadata

    try:
        ml_metadata.MetadataStore(connection(address)).get_artifact_types()
    except (RuntimeError, ml_metadata.errors.StatusError) as error:
        raise EnvironmentProblem(
            "the metadata store does not answer",
            where=address,
            received=str(error).strip().splitlines()[0][:200] if str(error).strip() else "",
            hint="is it up, and can the pods' namespace reach it? See kubeflow.metadata",
        ) from None


def _grpc(parts: SplitResult) -> Any:
    from ml_metadata.proto import metadata_store_pb2

    return metadata_store_pb2.MetadataStoreClientConfig(
        host=parts.hostname, port=parts.port, client_timeout_sec=_SECONDS
    )


def _mysql(parts: SplitResult) -> Any:
    from tfx.orchestration import metadata

    missing = [name for name in (USER, PASSWORD) if name not in os.environ]
    if missing:
        raise EnvironmentProblem(
            f"{' and '.join(missing)} not set: MySQL would not know who asks",
            hint="the recipe's kubeflow.metadata.secret names a secret with the keys `username` "
            "and `password`; look whether it is in the pods' namespace",
        )
    return metadata.mysql_metadata_connection_config(
        host=parts.hostname,
        port=parts.port,
        database=parts.path.strip("/"),
        username=os.environ[USER],
        password=os.environ[PASSWORD],
    )


def _sqlite(parts: SplitResult) -> Any:
    from tfx.orchestration import metadata

    Path(parts.path).parent.mkdir(parents=True, exist_ok=True)
    return metadata.sqlite_metadata_connection_config(parts.path)


_KINDS: Mapping[str, Callable[[SplitResult], Any]] = {
    "grpc": _grpc,
    "mysql": _mysql,
    "sqlite": _sqlite,
}
