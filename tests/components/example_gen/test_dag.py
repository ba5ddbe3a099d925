"""The component through TFX's compiler, driver and launcher."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from trainyard.components.example_gen import quarantine
from trainyard.components.example_gen.component import ExampleGen
from trainyard.recipe_schema import Data, Label


@pytest.mark.e2e
def test_spans_fingerprint_and_cache(tmp_path):
    def run() -> list[tuple[str, int]]:
        component = ExampleGen(
            Data(path=str(tmp_path / "day-{SPAN}.csv")), {"label": Label.model_validate("a")}, "1"
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


@pytest.mark.e2e
def test_a_cached_result_keeps_its_count_of_bad_rows(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{i},1\n" for i in range(200)) + "1\n")
    connection = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))
    for _ in range(2):
        component = ExampleGen(
            Data(path=str(tmp_path / "rows.csv"), on_bad_row="quarantine"),
            {"label": Label.model_validate("a")},
            "1",
        )
        LocalDagRunner().run(
            pipeline.Pipeline(
                "p", str(tmp_path / "out"), connection, [component], enable_cache=True
            )
        )
    with metadata.Metadata(connection) as store:
        (artifact,) = store.store.get_artifacts_by_type("Examples")
    assert artifact.custom_properties["rows_set_aside"].int_value == 1
    assert quarantine.read(Path(artifact.uri)).bad == 1
