"""Our ExampleGen and stock's write the same examples, into splits of the same sizes.

Which row is in which split differs on purpose: see `identity` and docs/decisions/0021.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.components.example_gen.csv_example_gen.executor import Executor as StockExecutor
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from trainyard.components.example_gen.executor import Executor, Settings
from trainyard.recipe_schema import Data, Label

DATA = Data(path="x", missing=("",))  # stock knows the empty field only

TRICKY = '''id,amount,word,empty,long,id2
1,1.5,Größe,,99999999999999999999,1
2,,"a, ""b""",,1,2
-3,1e-3,,,2,3
4,+7, padded ,,3,4
'''


def generate(executor, folder: Path, file: Path, label: Label, key: str | None):
    split = example_gen_pb2.Input.Split(name="single_split", pattern=file.name)
    named = {} if key is None else {"partition_feature_name": key}
    output = example_gen_pb2.Output(
        split_config=example_gen_pb2.SplitConfig(
            splits=[
                example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=count)
                for name, count in DATA.split.buckets.items()
            ],
            **named,
        )
    )
    data = DATA.model_copy(update={"key": key})
    settings = Settings(
        data=data, labels={"label": label}, code="", schema_digest="", images_digest=""
    )
    properties = {
        "input_base": str(file.parent),
        "input_config": proto_utils.proto_to_json(example_gen_pb2.Input(splits=[split])),
        "output_config": proto_utils.proto_to_json(output),
        "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
        "output_file_format": example_gen_pb2.FORMAT_TFRECORDS_GZIP,
        "custom_config": proto_utils.proto_to_json(settings.to_proto()),
    }
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    executor.Do({}, {"examples": [artifact]}, properties)
    return artifact


def records(artifact: standard_artifacts.Examples, split: str = "*") -> Counter[bytes]:
    """The examples of a split, or of all; stock shuffles, and does not serialize canonically."""
    files = tf.io.gfile.glob(f"{artifact.uri}/Split-{split}/*")
    return Counter(
        tf.train.Example.FromString(record).SerializeToString(deterministic=True)
        for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    )


def assert_same(folder: Path, file: Path, label: str, key: str | None = None) -> None:
    column = Label.model_validate({"column": label})
    start = time.perf_counter()
    ours = generate(Executor(), folder / "ours", file, column, key)
    middle = time.perf_counter()
    stock = generate(StockExecutor(), folder / "stock", file, column, key)
    end = time.perf_counter()
    assert records(ours) == records(stock)
    total, buckets = records(ours).total(), DATA.split.buckets
    for split, share in buckets.items() if key is None else ():
        expected = total * share / sum(buckets.values())
        for artifact in (ours, stock):
            found = records(artifact, split).total()
            assert abs(found - expected) < 5 * expected**0.5, (split, artifact)
    assert ours.split_names == stock.split_names
    for name in ("payload_format", "file_format"):
        assert ours.get_string_custom_property(name) == stock.get_string_custom_property(name)
    print(  # noqa: T201
        f"\n{total:,} rows: ours {total / (middle - start):,.0f} rows/s, "
        f"stock {total / (end - middle):,.0f} rows/s"
    )


def public(path: str) -> Path:
    file = Path(os.environ.get("TRAINYARD_DATA_HOME", "")) / path
    if not file.is_file():
        pytest.skip(f"TRAINYARD_DATA_HOME has no {path}")
    return file.absolute()


@pytest.mark.e2e
@pytest.mark.parametrize("key", [None, "id", "word2"])
def test_a_small_file_with_everything_in_it(tmp_path, key):
    header, *lines = TRICKY.splitlines()
    many = [f"{copy}{line},w{copy}" for copy in range(30) for line in lines]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join([f"{header},word2", *many[:40], "", *many[40:]]) + "\n")
    assert_same(tmp_path, file, "amount", key)


@pytest.mark.e2e
def test_taxi(tmp_path):
    assert_same(tmp_path, public("taxi/data.csv"), "tips")


@pytest.mark.e2e
def test_adult_by_key(tmp_path):
    assert_same(tmp_path, public("adult/train.csv"), "income", key="fnlwgt")
