from pathlib import Path

import pytest

from trainyard.pipeline.report import metadata


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A real ML Metadata store with two artifacts."""
    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as proto

    file = tmp_path_factory.mktemp("store") / "metadata.sqlite"
    connection = proto.ConnectionConfig()
    connection.sqlite.filename_uri = str(file)
    opened = MetadataStore(connection)
    kind = opened.put_artifact_type(proto.ArtifactType(name="Examples"))
    one, other = (proto.Artifact(type_id=kind, uri=uri) for uri in ("/a/1", "/a/2"))
    one.custom_properties["reasons"].string_value = '{"WEBP": 3}'
    one.custom_properties["rows"].int_value = 7
    opened.put_artifacts([one, other])
    return file


def test_ids_become_places(store):
    assert metadata.uris(store, {2}) == {2: "/a/2"}
    assert metadata.uris(store, set()) == {}


def test_text_properties_are_read(store):
    assert metadata.properties(store, "/a/1") == {"reasons": '{"WEBP": 3}'}
    assert metadata.properties(store, "/a/2") == {}


def test_a_store_that_is_missing_or_damaged_says_nothing(tmp_path):
    assert metadata.properties(tmp_path / "none", "/a/1") == {}
    (tmp_path / "damaged").write_bytes(b"not a database" * 100)
    assert metadata.uris(tmp_path / "damaged", {1}) == {}
