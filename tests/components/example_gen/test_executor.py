"""The executor and the component, without a DAG."""

from __future__ import annotations

import errno
import gzip
import json
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.components.example_gen.driver import FileBasedDriver
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

from trainyard import progress
from trainyard.components.example_gen import csv_files, input_splits, inputs_read, quarantine
from trainyard.components.example_gen.component import ExampleGen
from trainyard.components.example_gen.driver import Driver
from trainyard.components.example_gen.executor import Executor, Settings
from trainyard.components.records import shards
from trainyard.errors import DataError, EnvironmentProblem, RecipeError
from trainyard.recipe_schema import Data, Label

LABEL = Label.model_validate("tips > fare * 0.2")


def rows(folder: Path, count: int = 300, name: str = "rows.csv") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{i},{i % 5},{i % 40},p{i % 9}" for i in range(count)]
    file.write_text("\n".join(["fare,tips,person,place", *lines]) + "\n")
    return file


def execute(component: ExampleGen, folder: Path) -> standard_artifacts.Examples:
    """Runs the executor on the properties as the driver resolves them."""
    properties = {
        key: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for key, value in component.exec_properties.items()
    }
    resolved = Driver(None).resolve_exec_properties(properties, None, None)
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    Executor().Do({}, {"examples": [artifact]}, resolved)
    return artifact


def splits(artifact: standard_artifacts.Examples) -> dict[str, list[tf.train.Example]]:
    return {
        name: [
            tf.train.Example.FromString(record)
            for record in tf.data.TFRecordDataset(
                sorted(tf.io.gfile.glob(f"{artifact.uri}/Split-{name}/*")), "GZIP"
            ).as_numpy_iterator()
        ]
        for name in artifact_utils.decode_split_names(artifact.split_names)
    }


def test_the_artifact_is_as_stock_writes_it(tmp_path):
    file = rows(tmp_path)
    artifact = execute(ExampleGen(Data(path=str(file)), {"label": LABEL}, "1"), tmp_path / "out")
    found = splits(artifact)
    assert list(found) == ["train", "eval", "test"]
    assert sum(map(len, found.values())) == 300
    assert len(found["train"]) > 200
    assert (tmp_path / "out/Split-train/data_tfrecord-00000-of-00001.gz").is_file()
    assert examples_utils.get_payload_format(artifact) == example_gen_pb2.FORMAT_TF_EXAMPLE
    assert examples_utils.get_file_format(artifact) == "tfrecords_gzip"
    for example in found["eval"]:
        feature = example.features.feature
        fare, tips = feature["fare"].int64_list.value[0], feature["tips"].int64_list.value[0]
        assert feature["label"].int64_list.value == [int(tips > fare * 0.2)]


def test_each_label_is_written_once(tmp_path):
    labels = {
        "heads.large.label": Label.model_validate({"name": "large", "expression": "tips > 3"}),
        "heads.ratio.label": Label.model_validate({"name": "ratio", "expression": "tips + fare"}),
        "heads.tips.label": Label.model_validate("tips"),
    }
    artifact = execute(ExampleGen(Data(path=str(rows(tmp_path))), labels, "1"), tmp_path / "out")
    for example in splits(artifact)["eval"]:
        feature = example.features.feature
        fare, tips = feature["fare"].int64_list.value[0], feature["tips"].int64_list.value[0]
        assert feature["large"].int64_list.value == [int(tips > 3)]
        assert feature["ratio"].float_list.value == [tips + fare]


def test_an_error_in_a_label_names_its_head(tmp_path):
    label = Label.model_validate({"name": "large", "expression": "tipps > 3"})
    component = ExampleGen(Data(path=str(rows(tmp_path))), {"heads.large.label": label}, "1")
    with pytest.raises(RecipeError, match="did you mean 'tips'") as caught:
        execute(component, tmp_path / "out")
    assert caught.value.where == "heads.large.label"


def test_a_key_keeps_its_rows_together(tmp_path):
    data = Data(path=str(rows(tmp_path)), key="person")
    artifact = execute(ExampleGen(data, {"label": LABEL}, "1"), tmp_path / "out")
    people = [
        {example.features.feature["person"].int64_list.value[0] for example in examples}
        for examples in splits(artifact).values()
    ]
    assert sum(map(len, people)) == len(set.union(*people)) == 40


@pytest.mark.parametrize(
    ("names", "pattern", "expected"),
    [
        (["a/1.csv", "b/1.csv", "b/2.csv"], "*/1.csv", 600),
        (["s1/r.csv", "s2/r.csv", "s2/q.csv"], "s{SPAN}/*.csv", 600),
        (["2020-01-31.csv", "2020-02-01.csv"], "{YYYY}-{MM}-{DD}.csv", 300),
        (["d-08.csv", "d-09.csv"], "d-{SPAN}.csv", 300),
        (["[1]/r*s.csv", "1/r*s.csv", "[1]/rows.csv"], "[1]/r*s.csv", 300),
    ],
)
def test_patterns(tmp_path, names, pattern, expected):
    for name in names:
        rows(tmp_path, name=name)
    component = ExampleGen(Data(path=str(tmp_path / pattern)), {"label": LABEL}, "1")
    found = splits(execute(component, tmp_path / "out"))
    assert sum(map(len, found.values())) == expected


@pytest.mark.parametrize(
    ("spans", "expected"), [(1, ["9"]), (2, ["8", "9"]), (9, ["6", "7", "8", "9"])]
)
def test_a_window_of_spans(tmp_path, spans, expected):
    for number in range(6, 10):
        rows(tmp_path, name=f"{number}/rows.csv")
    data = Data(path=str(tmp_path / "{SPAN}/*.csv"), spans=spans)
    artifact = execute(ExampleGen(data, {"label": LABEL}, "1"), tmp_path / "out")
    assert sum(map(len, splits(artifact).values())) == 300 * len(expected)
    read = inputs_read.read(tmp_path / "out")
    assert [Path(file).parent.name for file in read] == expected
    assert read == inputs_read.states(input_splits.find(data))


def test_a_window_in_its_newest_versions_has_one_fingerprint(tmp_path):
    def resolved(spans: int) -> dict[str, object]:
        data = Data(path=str(tmp_path / "{YYYY}-{MM}-{DD}-v{VERSION}.csv"), spans=spans)
        component = ExampleGen(data, {"label": LABEL}, "1")
        properties = {
            key: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
            for key, value in component.exec_properties.items()
        }
        return Driver(None).resolve_exec_properties(properties, None, None)

    for name in ("1970-01-03-v1", "1970-01-04-v2", "1970-01-04-v10", "1970-01-05-v3"):
        rows(tmp_path, name=f"{name}.csv")
    one, two = resolved(1), resolved(2)
    assert (one["span"], one["version"]) == (two["span"], two["version"]) == (4, 3)
    assert two["input_fingerprint"].startswith(resolved(2)["input_fingerprint"])
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(two["input_config"], config)
    assert config.splits[0].pattern.split("\n") == ["1970-01-04-v10.csv", "1970-01-05-v3.csv"]
    rows(tmp_path, 4, name="1970-01-04-v10.csv")
    assert resolved(1)["input_fingerprint"] == one["input_fingerprint"]
    assert resolved(2)["input_fingerprint"] != two["input_fingerprint"]


def test_one_span_is_resolved_as_stock_does(tmp_path):
    for number in (9, 10):
        rows(tmp_path, name=f"s{number}/rows.csv")
    component = ExampleGen(Data(path=str(tmp_path / "s{SPAN}/*.csv")), {"label": LABEL}, "1")
    found = []
    for driver in (Driver, FileBasedDriver):
        properties = {
            key: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
            for key, value in component.exec_properties.items()
        }
        found.append(driver(None).resolve_exec_properties(properties, None, None))
        found[-1].pop("input_fingerprint")  # ours is of the content
    assert found[0] == found[1]


def test_no_span_is_there(tmp_path):
    data = Data(path=str(tmp_path / "{SPAN}.csv"), spans=3)
    with pytest.raises(DataError, match="there are no files"):
        execute(ExampleGen(data, {"label": LABEL}, "1"), tmp_path / "out")


def test_the_node_is_named_and_the_cache_sees_code_and_schema(tmp_path):
    file, schema = rows(tmp_path), tmp_path / "schema.pbtxt"

    def properties(content: str, code: str) -> str:
        schema.write_text(content)
        component = ExampleGen(Data(path=str(file), schema=str(schema)), {"label": LABEL}, code)
        assert component.id == "ExampleGen"
        assert component.DRIVER_CLASS is Driver
        return component.exec_properties["custom_config"]

    first = properties("", "1")
    assert properties("", "1") == first
    assert properties("# changed", "1") != first
    assert properties("", "2") != first
    assert Settings.from_json(first).labels == {"label": LABEL}
    assert Settings.from_json(first).data.schema_file == str(schema)


def test_progress_is_reported(tmp_path):
    said: list[tuple[str, float | None]] = []
    with progress.listening(lambda text, fraction: said.append((text, fraction))):
        execute(ExampleGen(Data(path=str(rows(tmp_path))), {"label": LABEL}, "1"), tmp_path / "out")
    assert said[-1] == ("300 rows", 1.0)


def test_an_empty_split_is_an_error(tmp_path):
    component = ExampleGen(Data(path=str(rows(tmp_path, 2))), {"label": LABEL}, "1")
    with pytest.raises(DataError, match="no row fell into the split"):
        execute(component, tmp_path / "out")


def test_no_file(tmp_path):
    component = ExampleGen(Data(path=str(tmp_path / "none.csv")), {"label": LABEL}, "1")
    with pytest.raises(DataError, match="no such file"):
        execute(component, tmp_path / "out")


def test_a_label_that_is_not_there(tmp_path):
    label = Label.model_validate("tip")
    component = ExampleGen(Data(path=str(rows(tmp_path))), {"label": label}, "1")
    with pytest.raises(RecipeError, match="did you mean 'tips'"):
        execute(component, tmp_path / "out")


def test_an_unwritable_place(tmp_path):
    (tmp_path / "out").write_text("a file where a folder is needed")
    component = ExampleGen(Data(path=str(rows(tmp_path))), {"label": LABEL}, "1")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        execute(component, tmp_path / "out")


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shards.ShardWriter, "write", full)
    component = ExampleGen(Data(path=str(rows(tmp_path))), {"label": LABEL}, "1")
    with pytest.raises(EnvironmentProblem, match="No space left"):
        execute(component, tmp_path / "out")


def test_shards_are_whole_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 10_000)
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 500)
    file = rows(tmp_path, 2000)
    artifact = execute(ExampleGen(Data(path=str(file)), {"label": LABEL}, "1"), tmp_path / "out")
    again = execute(ExampleGen(Data(path=str(file)), {"label": LABEL}, "1"), tmp_path / "again")
    train = Path(artifact.uri) / "Split-train"
    names = sorted(path.name for path in train.iterdir())
    count = len(names)
    assert count > 5
    assert names == [f"data_tfrecord-{i:05d}-of-{count:05d}.gz" for i in range(count)]
    for name in names:
        content = (train / name).read_bytes()
        assert content == (Path(again.uri) / "Split-train" / name).read_bytes()
        assert len(gzip.decompress(content)) < 20_000
    fares = [
        example.features.feature["fare"].int64_list.value[0]
        for example in splits(artifact)["train"]
    ]
    assert fares == sorted(fares)
    assert sum(map(len, splits(artifact).values())) == 2000


def test_all_readers_take_all_shards(tmp_path, monkeypatch):
    import apache_beam as beam
    from apache_beam.io.tfrecordio import ReadFromTFRecord
    from apache_beam.testing.test_pipeline import TestPipeline
    from apache_beam.testing.util import assert_that, is_empty

    from trainyard.components.records.arrow_examples import record_batches

    monkeypatch.setattr(shards, "SHARD_BYTES", 4_000)
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 500)
    artifact = execute(
        ExampleGen(Data(path=str(rows(tmp_path))), {"label": LABEL}, "1"), tmp_path / "out"
    )
    train = Path(artifact.uri) / "Split-train"
    expected = [e.SerializeToString(deterministic=True) for e in splits(artifact)["train"]]
    assert sum(len(batch) for batch, _ in record_batches(sorted(train.iterdir()))) == len(expected)
    with TestPipeline() as pipeline:
        missing = (
            pipeline
            | ReadFromTFRecord(f"{train}/*")
            | "wrong" >> beam.Filter(lambda record: record not in expected)
        )
        assert_that(missing, is_empty())


# Bad rows.


def quarantining(path: Path, out: Path, **options) -> standard_artifacts.Examples:
    data = Data(path=str(path), on_bad_row="quarantine", **options)
    return execute(ExampleGen(data, {"label": LABEL}, "1"), out)


def set_aside(artifact: standard_artifacts.Examples) -> list[dict]:
    file = Path(artifact.uri) / quarantine.FOLDER / quarantine.ROWS
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_bad_rows_are_set_aside_word_for_word(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 1000)
    file = rows(tmp_path)
    lines = file.read_bytes().split(b"\n")
    lines[3:3] = [b'7,"a\nb"', b""]  # rows 3; blank lines do not count
    lines[100:100] = [b"1,2,3,caf\xe9", b"1,inf,3,p", b"1,2,3,4,5"]
    file.write_bytes(b"\n".join(lines))
    said: list[str] = []
    with progress.listening(lambda text, _: said.append(text)):
        artifact = quarantining(file, tmp_path / "out")
    found = set_aside(artifact)
    assert [(row["row"], row["reason"], row["detail"]) for row in found] == [
        (3, "wrong number of fields", "2 instead of 4"),
        (99, "not utf-8 text", "caf\N{REPLACEMENT CHARACTER}"),
        (
            100,
            "the value in column 'tips' is infinite, or too large for a 32-bit float",
            "inf",
        ),
        (101, "wrong number of fields", "5 instead of 4"),
    ]
    assert found[0]["text"] == '7,"a\nb"'
    assert found[1]["text"].encode("utf-8", "surrogateescape") == b"1,2,3,caf\xe9"
    assert {row["file"] for row in found} == {str(file)}
    assert sum(map(len, splits(artifact).values())) == 300
    assert said[-1] == "300 rows, 4 set aside"
    assert artifact.get_int_custom_property("rows_set_aside") == 4
    summary = quarantine.read(Path(artifact.uri))
    assert (summary.bad, summary.rows) == (4, 304)
    assert summary.sentence().startswith("4 of 304 rows were set aside: wrong number of fields (2)")


def test_bad_rows_of_another_encoding(tmp_path):
    lines = ["fare,tips,person,place", *(f"{i},1,{i},Öl" for i in range(99))]
    content = "\n".join(lines).encode("cp1252") + b"\n1,2,3,\x81\n"
    (tmp_path / "rows.csv").write_bytes(content)
    artifact = quarantining(tmp_path / "rows.csv", tmp_path / "out", encoding="cp1252")
    (found,) = set_aside(artifact)
    assert found["row"] == 100
    assert found["text"].encode("cp1252", "surrogateescape") == b"1,2,3,\x81"
    assert sum(map(len, splits(artifact).values())) == 99


def test_without_bad_rows_there_is_no_quarantine(tmp_path):
    artifact = quarantining(rows(tmp_path), tmp_path / "out")
    assert quarantine.read(Path(artifact.uri)) is None
    assert not (tmp_path / "out" / quarantine.FOLDER).exists()
    assert artifact.get_int_custom_property("rows_set_aside") == 0


def test_too_many_bad_rows_are_an_error(tmp_path):
    file = rows(tmp_path, 90)
    with file.open("a") as stream:
        stream.write("1,2\n" * 11)
    with pytest.raises(DataError, match="11 of 101 rows were set aside: wrong number") as caught:
        quarantining(file, tmp_path / "out")
    assert "row 91" in str(caught.value)
    assert "data.max_bad_share" in str(caught.value)
    artifact = quarantining(file, tmp_path / "more", max_bad_share=0.2)
    assert len(set_aside(artifact)) == 11


def test_only_bad_rows(tmp_path):
    (tmp_path / "rows.csv").write_text("fare,tips,person,place\n1\n2\n")
    with pytest.raises(DataError, match="all 2 are bad"):
        quarantining(tmp_path / "rows.csv", tmp_path / "out")


def test_an_open_quote_is_an_error_all_the_same(tmp_path):
    file = rows(tmp_path)
    file.write_text(file.read_text().replace("20,0,20,p2", '20,0,20,"p2').replace("3,3,3,p3", "3"))
    with pytest.raises(DataError, match=r"row 21 \(line 22\)"):
        quarantining(file, tmp_path / "out")


def test_bad_rows_of_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    fares = [float(i) for i in range(200)]
    fares[150] = float("inf")
    table = pa.table({"fare": fares, "tips": [1] * 200, "person": range(200), "place": ["p"] * 200})
    pq.write_table(table, tmp_path / "rows.parquet")
    artifact = quarantining(tmp_path / "rows.parquet", tmp_path / "out", format="parquet")
    (found,) = set_aside(artifact)
    assert found["row"] == 151
    assert json.loads(found["text"])["person"] == 150
