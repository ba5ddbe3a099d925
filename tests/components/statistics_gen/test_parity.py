"""Our StatisticsGen and stock's write the same numbers.

Exact: counts, types, minima, maxima, distinct values, top values and ranks. Mean and
standard deviation to 1e-9 relative: sums in another order. Quantiles come from a sketch
with a stated error of 1 % of the rank (`StatsOptions.epsilon`), in either of the two:
a bucket of either has to hold the same share of the rows to 2 %.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from pyarrow import csv
from tensorflow_data_validation.statistics.stats_options import StatsOptions
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx.components.statistics_gen.executor import Executor as StockExecutor
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts

from trainyard.components.records import encoder
from trainyard.components.statistics_gen.executor import Executor
from trainyard.components.statistics_gen.options import options
from trainyard.recipe_schema import Data

SPLITS = ["train", "eval"]
EPSILON = 0.01


def feature(values) -> tf.train.Feature:
    if values is None:
        return tf.train.Feature()
    if values and isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if values and isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def example(**columns) -> bytes:
    features = {name: feature(values) for name, values in columns.items()}
    message = tf.train.Example(features=tf.train.Features(feature=features))
    return message.SerializeToString(deterministic=True)


def examples(folder: Path, rows: dict[str, list[bytes]]) -> standard_artifacts.Examples:
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    for split, records in rows.items():
        file = folder / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz"
        file.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(file), options) as writer:
            for record in records:
                writer.write(record)
    artifact = standard_artifacts.Examples()
    artifact.uri, artifact.span = str(folder), 7
    artifact.split_names = artifact_utils.encode_split_names(list(rows))
    examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(artifact, "tfrecords_gzip")
    return artifact


def awkward(count: int) -> list[bytes]:
    """Missing values, empty lists, no value at all, bytes that are no text, special floats."""
    pick = random.Random(count)
    return [
        example(
            always=[row % 7 - 3],
            big=[pick.choice([2**62, -(2**63), 0])],
            empty=[pick.random()] if row % 3 else [],
            floats=[pick.gauss(0, 1) for _ in range(row % 4)],
            infinite=[pick.choice([float("inf"), float("-inf"), float("nan"), 1.0])],
            long=[b"x" * pick.choice([2, 5000])],
            none=None,
            some=[row] if row % 5 else None,
            text=[pick.choice([b"\xff\xfe", b"\xc3", "Größe".encode(), b"", b"a"])],
            unique=[f"{row:x}".encode()],
            words=[pick.choice([b"a", b"b", b"c"]) for _ in range(row % 6)] or None,
            **({"rare": [b"here"]} if row % 50 == 49 else {}),
        )
        for row in range(count)
    ]


def run(executor, artifact: standard_artifacts.Examples, folder: Path, **properties):
    statistics = standard_artifacts.ExampleStatistics()
    statistics.uri = str(folder)
    properties = {"exclude_splits": "[]", "stats_options_json": None, **properties}
    executor.Do({"examples": [artifact]}, {"statistics": [statistics]}, properties)
    return statistics


def read(artifact: standard_artifacts.ExampleStatistics, split: str):
    (file,) = Path(artifact.uri, f"Split-{split}").iterdir()
    assert file.name == "FeatureStats.pb"
    (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes()).datasets
    return dataset


def assert_same(artifact: standard_artifacts.Examples, folder: Path, **properties) -> None:
    ours = run(Executor(), artifact, folder / "ours", **properties)
    stock = run(StockExecutor(), artifact, folder / "stock", **properties)
    assert described(ours) == described(stock)
    assert {f.name for f in Path(ours.uri).iterdir()} == {f.name for f in Path(stock.uri).iterdir()}
    for split in artifact_utils.decode_split_names(stock.split_names):
        assert_same_dataset(read(ours, split), read(stock, split))


def described(artifact: standard_artifacts.ExampleStatistics) -> str:
    text = text_format.MessageToString(artifact.mlmd_artifact)
    return text.replace(artifact.uri, "").replace(Path(artifact.uri).name, "")


def assert_same_dataset(ours, stock) -> None:
    assert (ours.name, ours.num_examples) == (stock.name, stock.num_examples)
    found = {feature.path.step[0]: feature for feature in ours.features}
    expected = {feature.path.step[0]: feature for feature in stock.features}
    assert found.keys() == expected.keys()
    for name, feature in expected.items():
        assert_same_feature(found[name], feature)


def assert_same_feature(ours, stock) -> None:
    name = stock.path.step[0]
    if stock.HasField("num_stats"):
        assert_close(ours.num_stats, stock.num_stats, ["mean", "std_dev"], name)
        assert_same_histograms(ours.num_stats, stock.num_stats, name)
    for message in (ours, stock):
        stats = getattr(message, message.WhichOneof("stats"))
        stats.common_stats.ClearField("num_values_histogram")
        if message.HasField("num_stats"):
            for approximate in ("mean", "std_dev", "median", "histograms"):
                message.num_stats.ClearField(approximate)
    assert text_format.MessageToString(ours) == text_format.MessageToString(stock)


def assert_close(ours, stock, fields: list[str], name: str) -> None:
    for field in fields:
        expected = pytest.approx(getattr(stock, field), rel=1e-9, nan_ok=True)
        assert getattr(ours, field) == expected, f"{name}: {field}"


def assert_same_histograms(ours, stock, name: str) -> None:
    kinds = [(one.type, one.num_nan, len(one.buckets)) for one in ours.histograms]
    assert kinds == [(one.type, one.num_nan, len(one.buckets)) for one in stock.histograms], name
    for mine, theirs in zip(ours.histograms, stock.histograms, strict=True):
        total = sum(bucket.sample_count for bucket in theirs.buckets)
        expected = pytest.approx(total, rel=1e-6)
        assert sum(bucket.sample_count for bucket in mine.buckets) == expected, name
        if mine.type == statistics_pb2.Histogram.STANDARD:
            assert edges(mine) == pytest.approx(edges(theirs), rel=1e-6, nan_ok=True), name
            # An error of the rank at both ends of a bucket, in both sketches.
            counts = np.subtract(heights(mine), heights(theirs))
            assert np.abs(counts).max(initial=0) <= 4 * EPSILON * total + 1, name


def edges(histogram) -> list[float]:
    return [bucket.low_value for bucket in histogram.buckets]


def heights(histogram) -> list[float]:
    return [bucket.sample_count for bucket in histogram.buckets]


def assert_quantiles(dataset, values: dict[str, np.ndarray]) -> None:
    """Holds the quantiles against the data: what they say lies below does lie below."""
    for one in dataset.features:
        if one.path.step[0] not in values:
            continue
        column = np.sort(values[one.path.step[0]])
        buckets = one.num_stats.histograms[1].buckets
        for number, bucket in enumerate(buckets[:-1], 1):
            low = np.searchsorted(column, np.float32(bucket.high_value), "left") / len(column)
            high = np.searchsorted(column, np.float32(bucket.high_value), "right") / len(column)
            share = number / len(buckets)
            assert low - 2 * EPSILON <= share <= high + 2 * EPSILON, one.path.step[0]


@pytest.mark.e2e
@pytest.mark.parametrize("count", [1, 40, 1500])
def test_an_awkward_table(tmp_path, count):
    rows = {"train": awkward(count), "eval": awkward(1)}
    assert_same(examples(tmp_path / "examples", rows), tmp_path)


@pytest.mark.e2e
def test_an_empty_split(tmp_path):
    artifact = examples(tmp_path / "examples", {"train": awkward(3), "eval": []})
    assert_same(artifact, tmp_path)


@pytest.mark.e2e
def test_options_and_excluded_splits(tmp_path):
    schema = text_format.Parse(
        """
        feature { name: "always" type: INT int_domain { is_categorical: true } }
        feature { name: "long" type: BYTES image_domain {} }
        feature { name: "unique" type: BYTES }
        """,
        schema_pb2.Schema(),
    )
    options = StatsOptions(
        schema=schema, num_top_values=3, num_rank_histogram_buckets=5, num_histogram_buckets=4
    )
    assert_same(
        examples(tmp_path / "examples", {"train": awkward(600), "eval": awkward(20)}),
        tmp_path,
        exclude_splits='["eval"]',
        stats_options_json=options.to_json(),
    )


@pytest.mark.e2e
def test_what_only_beam_can_do(tmp_path, caplog):
    artifact = examples(tmp_path / "examples", {"train": awkward(100)})
    options = StatsOptions(weight_feature="always").to_json()
    assert_same(artifact, tmp_path, stats_options_json=options)
    assert "weights: not for the local engine" in caplog.text


@pytest.mark.e2e
def test_taxi(tmp_path):
    file = Path(os.environ.get("TRAINYARD_DATA_HOME", "")) / "taxi/data.csv"
    if not file.is_file():
        pytest.skip("TRAINYARD_DATA_HOME has no taxi/data.csv")
    table = csv.read_csv(file, convert_options=csv.ConvertOptions(strings_can_be_null=True))
    rows = encoder.encode(table.combine_chunks().to_batches()[0]).to_pylist()
    artifact = examples(tmp_path / "examples", {"train": rows[:12000], "eval": rows[12000:]})
    assert_same(artifact, tmp_path)
    fares = table["fare"].to_numpy()[:12000].astype(np.float32)
    assert_quantiles(read(run(Executor(), artifact, tmp_path / "again"), "train"), {"fare": fares})


def test_images(tmp_path):
    """Of bytes only presence and sizes; the other columns as ever."""
    pick = random.Random(1)
    records = [
        example(image=[pick.randbytes(500 + row)], image_width=[row], label=[b"ab"[row % 2 :][:1]])
        for row in range(60)
    ]
    artifact = examples(tmp_path / "in", dict.fromkeys(SPLITS, records))
    assert_same(artifact, tmp_path, stats_options_json=options(Data(path="x", images={})).to_json())
