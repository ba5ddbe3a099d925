from pathlib import Path

import pytest

from trainyard.pipeline import metadata


def write(file: Path, artifacts: dict[str, dict[str, str | int]]) -> Path:
    """Writes a real ML Metadata store: the artifacts' own properties by their places."""
    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as proto

    connection = proto.ConnectionConfig()
    connection.sqlite.filename_uri = str(file)
    opened = MetadataStore(connection)
    kind = opened.put_artifact_type(proto.ArtifactType(name="Examples"))
    for uri, properties in artifacts.items():
        artifact = proto.Artifact(type_id=kind, uri=uri)
        for name, value in properties.items():
            field = "string_value" if isinstance(value, str) else "int_value"
            setattr(artifact.custom_properties[name], field, value)
        opened.put_artifacts([artifact])
    return file


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("store") / "metadata.sqlite"
    return write(file, {"/a/1": {"reasons": '{"WEBP": 3}', "rows": 7}, "/a/2": {}})


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
