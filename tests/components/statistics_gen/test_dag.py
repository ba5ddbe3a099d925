"""The component through TFX's compiler and launcher, with a cache."""

from __future__ import annotations

import pytest
from tfx.components.schema_gen.component import SchemaGen
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner

from trainyard.components.example_gen.component import ExampleGen
from trainyard.components.statistics_gen.component import StatisticsGen
from trainyard.recipe_schema import Data, Label


@pytest.mark.e2e
def test_schema_from_the_statistics_and_cache(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{i},w{i % 3}\n" for i in range(300)))
    connection = metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite"))

    def run() -> list[int]:
        label = Label.model_validate("a")
        source = ExampleGen(Data(path=str(tmp_path / "rows.csv")), {"label": label}, "1")
        statistics = StatisticsGen(source.outputs["examples"])
        schema = SchemaGen(statistics=statistics.outputs["statistics"])
        nodes = [source, statistics, schema]
        LocalDagRunner().run(
            pipeline.Pipeline(
                "p",
                str(tmp_path / "out"),
                connection,
                nodes,
                enable_cache=True,
                beam_pipeline_args=["--runner=DirectRunner"],
            )
        )
        with metadata.Metadata(connection) as store:
            return [one.id for one in store.store.get_artifacts_by_type("ExampleStatistics")]

    assert len(run()) == 1
    assert len(run()) == 1
    (schema,) = (tmp_path / "out/SchemaGen").rglob("schema.pbtxt")
    assert '"w2"' in schema.read_text()
