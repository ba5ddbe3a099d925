"""Small runs of the executor, and what it leaves to stock's."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

from tests.components.transform import functions
from tests.components.transform.test_parity import SCHEMA, values
from trainyard import progress
from trainyard.components.transform import executor
from trainyard.components.transform.component import Transform

ROWS = [{"id": i, "number": float(i), "word": "ab"[i % 2]} for i in range(10)]


@pytest.fixture
def calls(monkeypatch):
    """What stock's executor was called with."""
    found = []
    monkeypatch.setattr(
        executor.Executor.__bases__[0], "Do", lambda self, *given: found.append(given)
    )
    return found


def run(folder, function, **more):
    sources = functions.raw(folder, {"train": ROWS, "eval": ROWS[:3]}, SCHEMA)
    path = f"tests.components.transform.functions.{function}"
    return functions.run(executor.Executor, sources, folder / "out", path, **more)


def test_the_graph_and_the_examples_fit_together(tmp_path, calls):
    outputs = run(tmp_path, "many")
    assert not calls
    graph = tft.TFTransformOutput(outputs["transform_graph"].uri)
    assert graph.vocabulary_by_name("words") == [b"b", b"a"]
    rows = values(outputs["transformed_examples"].uri, "train")
    assert [row["id"][1] for row in sorted(rows, key=lambda row: row["id"][1])] == [
        [i] for i in range(10)
    ]
    # The mean is 4.5, the largest distance from it as well: the second phase saw the first.
    scaled = sorted(row["scaled"][1][0] for row in rows)
    assert scaled == pytest.approx([i / 4.5 - 1 for i in range(10)])
    assert len(values(outputs["transformed_examples"].uri, "eval")) == 3
    assert outputs["transformed_examples"].split_names == '["eval", "train"]'
    assert not (Path(outputs["transform_graph"].uri) / ".temp_path").exists()


def test_the_saved_graph_does_not_need_the_temporary_files(tmp_path, calls):
    outputs = run(tmp_path, "many")
    layer = tft.TFTransformOutput(outputs["transform_graph"].uri)
    loaded = tf.saved_model.load(layer.transform_savedmodel_dir)
    assert len(loaded.assets) == 5
    assert all(
        "transform_fn/assets" in asset.asset_path.numpy().decode() for asset in loaded.assets
    )


def test_an_unknown_analyzer_goes_to_stock_and_says_so(tmp_path, calls, caplog):
    said = []
    with progress.listening(lambda text, _: said.append(text)):
        outputs = run(tmp_path, "by_key")
    assert len(calls) == 1
    assert "CombinePerKey" in caplog.text
    assert "CombinePerKey" in said[-1]
    assert not list(Path(outputs["transform_graph"].uri).iterdir()), "nothing half done"


def test_statistics_go_to_stock(tmp_path, calls, caplog):
    run(tmp_path, "many", disable_statistics=0)
    assert len(calls) == 1
    assert "statistics" in caplog.text


def test_only_the_chosen_splits_are_transformed(tmp_path, calls):
    outputs = run(tmp_path, "many", splits_config='{"analyze": ["eval"], "transform": ["train"]}')
    graph = tft.TFTransformOutput(outputs["transform_graph"].uri)
    assert graph.vocabulary_by_name("words") == [b"a"], "b occurs once in the three rows of eval"
    assert outputs["transformed_examples"].split_names == '["train"]'
    assert not (Path(outputs["transformed_examples"].uri) / "Split-eval").exists()


def test_the_component_is_stocks_with_a_digest_of_the_code():
    component = Transform(
        examples=Channel(type=standard_artifacts.Examples),
        schema=Channel(type=standard_artifacts.Schema),
        preprocessing_fn="a.b",
        custom_config={"key": "value"},
    )
    assert component.id == "Transform"
    assert component.executor_spec.executor_class is executor.Executor
    assert '"key": "value"' in component.exec_properties["custom_config"]
    assert '"engine_code"' in component.exec_properties["custom_config"]
    assert component.exec_properties["disable_statistics"] == 1
    assert "pre_transform_stats" not in component.outputs
