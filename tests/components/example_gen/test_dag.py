"""The component through TFX's compiler, driver and launcher."""

from __future__ import annotations

import pytest
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from trainyard.components.example_gen.component import ExampleGen
from trainyard.recipe_schema import Data, Label


@pytest.mark.e2e
def test_spans_fingerprint_and_cache(tmp_path):
    def run() -> list[tuple[str, int]]:
        component = ExampleGen(
            Data(path="x"), Label.model_validate("a"), str(tmp_path / "day-{SPAN}.csv"), "1"
        )
        connection = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))
        LocalDagRunner().run(
            pipeline.Pipeline(
                "p", str(tmp_path / "out"), connection, [component], enable_cache=True
            )
        )
        with metadata.Metadata(connection) as store:
            artifacts = store.store.get_artifacts_by_type("Examples")
        return [(a.uri, a.custom_properties["span"].int_value) for a in artifacts]

    (tmp_path / "day-1.csv").write_text("a\n" + "".join(f"{i}\n" for i in range(200)))
    first = run()
    assert [span for _, span in first] == [1]
    assert run() == first
    (tmp_path / "day-2.csv").write_text("a\n" + "".join(f"{i}\n" for i in range(300)))
    assert [span for _, span in run()] == [1, 2]
