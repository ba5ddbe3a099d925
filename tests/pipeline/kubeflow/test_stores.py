"""Metadata stores by their address."""

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from tests.pipeline.kubeflow import metadata_server
from trainyard.errors import EnvironmentProblem, RecipeError
from trainyard.pipeline.kubeflow import stores
from trainyard.recipe_schema import MetadataStore


def test_addresses():
    assert stores.address(MetadataStore()) == "grpc://metadata-grpc-service.kubeflow:8080"
    mysql = MetadataStore(kind="mysql", host="db", port=3307, database="runs", secret="mysql")
    assert stores.address(mysql) == "mysql://db:3307/runs"


def test_grpc_goes_to_the_server(tmp_path):
    with metadata_server.serving(tmp_path / "m.sqlite") as (port, calls):
        address = f"grpc://127.0.0.1:{port}"
        stores.check(address)
        with metadata.Metadata(stores.connection(address)) as handle:
            kind = metadata_store_pb2.ArtifactType(name="Thing")
            kind.id = handle.store.put_artifact_type(kind)
            handle.store.put_artifacts([metadata_store_pb2.Artifact(type_id=kind.id, uri="/a")])
    assert calls == ["GetArtifactTypes", "PutArtifactType", "PutArtifacts"]
    with metadata.Metadata(stores.connection(f"sqlite:{tmp_path / 'm.sqlite'}")) as handle:
        assert [each.uri for each in handle.store.get_artifacts()] == ["/a"]


def test_mysql_takes_user_and_password_from_the_environment(monkeypatch):
    monkeypatch.delenv(stores.USER, raising=False)
    monkeypatch.setenv(stores.PASSWORD, "p")
    with pytest.raises(EnvironmentProblem, match=f"{stores.USER} not set"):
        stores.connection("mysql://db:3307/runs")
    monkeypatch.setenv(stores.USER, "u")
    config = stores.connection("mysql://db:3307/runs").mysql
    assert (config.host, config.port, config.database) == ("db", 3307, "runs")
    assert (config.user, config.password) == ("u", "p")


def test_a_store_that_is_none():
    with pytest.raises(RecipeError, match="no such metadata store"):
        stores.connection("postgres://x")


def test_a_store_that_is_down_is_one_error():
    with pytest.raises(EnvironmentProblem, match="the metadata store does not answer"):
        stores.check("grpc://127.0.0.1:1")
