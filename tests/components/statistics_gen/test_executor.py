"""The executor and the component, without Beam and without a DAG."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_data_validation.statistics.generators import basic_stats_generator
from tensorflow_data_validation.statistics.stats_options import StatsOptions
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

from tests.components.statistics_gen.test_parity import awkward, examples, read, run
from trainyard import progress
from trainyard.components.statistics_gen import executor, tfdv_combiners
from trainyard.components.statistics_gen.component import StatisticsGen
from trainyard.components.statistics_gen.executor import Executor
from trainyard.errors import DataError


def channel() -> Channel:
    return Channel(type=standard_artifacts.Examples)


def test_the_artifact_is_as_stock_writes_it(tmp_path):
    artifact = examples(tmp_path / "in", {"train": awkward(300), "eval": awkward(10)})
    statistics = run(Executor(), artifact, tmp_path / "out")
    assert (statistics.split_names, statistics.span) == ('["train", "eval"]', 7)
    assert read(statistics, "train").num_examples == 300
    assert read(statistics, "eval").num_examples == 10
    unique = {one.path.step[0]: one for one in read(statistics, "train").features}["unique"]
    assert unique.string_stats.unique == 300
    assert len(unique.string_stats.top_values) == 20


def test_progress_over_all_splits(tmp_path):
    said: list[tuple[str, float | None]] = []
    artifact = examples(tmp_path / "in", {"train": awkward(300), "eval": awkward(300)})
    with progress.listening(lambda text, fraction: said.append((text, fraction))):
        run(Executor(), artifact, tmp_path / "out")
    assert [text for text, _ in said] == ["300 rows", "600 rows"]
    assert said[0][1] == pytest.approx(0.5, abs=0.02)
    assert said[1][1] == 1.0


def test_damaged_examples(tmp_path):
    artifact = examples(tmp_path / "in", {"train": awkward(300)})
    file = Path(artifact.uri, "Split-train", "data_tfrecord-00000-of-00001.gz")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match="not a whole TFRecord file"):
        run(Executor(), artifact, tmp_path / "out")


def test_excluded_splits(tmp_path):
    artifact = examples(tmp_path / "in", {"train": awkward(3), "eval": awkward(3)})
    statistics = run(Executor(), artifact, tmp_path / "out", exclude_splits='["eval"]')
    assert [folder.name for folder in Path(statistics.uri).iterdir()] == ["Split-train"]
    with pytest.raises(ValueError, match="none of the splits"):
        run(Executor(), artifact, tmp_path / "out", exclude_splits='["eval", "train"]')
    with pytest.raises(ValueError, match="has to be a list"):
        run(Executor(), artifact, tmp_path / "out", exclude_splits='"eval"')


def lift_schema() -> schema_pb2.Schema:
    domain = schema_pb2.IntDomain(is_categorical=True)
    return schema_pb2.Schema(
        feature=[schema_pb2.Feature(name="always", type="INT", int_domain=domain)]
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, None),
        ({"enable_semantic_domain_stats": True}, None),
        ({"use_sketch_based_topk_uniques": True}, None),
        ({"sample_rate": 0.5}, "sample_rate"),
        ({"weight_feature": "always"}, "weights"),
        ({"feature_allowlist": ["always"]}, "feature_allowlist"),
        ({"label_feature": "always", "schema": lift_schema()}, "LiftStatsGenerator"),
        ({"experimental_slice_sqls": ["SELECT STRUCT(a) FROM example.a"]}, "slices"),
    ],
)
def test_what_is_left_to_beam(options, reason):
    assert tfdv_combiners.unsupported(StatsOptions(**options)) == reason


def test_stock_gets_what_is_left_to_beam(tmp_path, monkeypatch, caplog):
    given = []

    class Stock:
        def __init__(self, context):
            given.append(context)

        def Do(self, *arguments):
            given.append(arguments)

    monkeypatch.setattr(executor.stock, "Executor", Stock)
    context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=["--runner=x"])
    properties = {"sample_rate_by_split": '{"train": 0.5}'}
    run(Executor(context), examples(tmp_path / "in", {"train": awkward(3)}), tmp_path, **properties)
    assert given[0] is context
    assert given[1][2]["sample_rate_by_split"] == '{"train": 0.5}'
    assert "a sample of each split: not for the local engine" in caplog.text


def test_tfdv_still_has_what_we_build_on():
    """TFDV 1.16.1 has one generator by default that is no combiner; ours takes its place."""
    basic, top = stats_impl.get_generators(StatsOptions())
    assert type(basic).__name__ == "BasicStatsGenerator"
    assert tfdv_combiners._is_exact_top(top)
    assert callable(tfdv_combiners.top_k_uniques_stats_generator._should_run)
    # Replaced while results are made: TFDV has to look it up in this module, not hold it.
    assert basic_stats_generator.quantiles_util is tfdv_combiners.quantiles_util
    arguments = inspect.signature(tfdv_combiners._tfdv_equi_width_histogram).parameters
    assert list(arguments) == list(
        inspect.signature(tfdv_combiners._equi_width_histogram).parameters
    )


def test_the_node_is_stocks_and_the_cache_sees_options_and_code(monkeypatch):
    node = StatisticsGen(channel(), StatsOptions(num_top_values=3), ["test"])
    assert node.id == "StatisticsGen"
    assert node.outputs["statistics"].type is standard_artifacts.ExampleStatistics
    assert node.exec_properties["exclude_splits"] == '["test"]'
    assert StatsOptions.from_json(node.exec_properties["stats_options_json"]).num_top_values == 3
    before = StatisticsGen(channel()).exec_properties
    assert before == StatisticsGen(channel()).exec_properties
    monkeypatch.setattr("trainyard.sources.digest", lambda paths: "other code")
    assert before != StatisticsGen(channel()).exec_properties
