"""The executor and the component, without a DAG."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from tfx.components.example_gen.driver import FileBasedDriver
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

from trainyard import progress
from trainyard.components.example_gen.component import ExampleGen, folder_and_pattern
from trainyard.components.example_gen.executor import Executor, Settings
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
    """Runs the executor on the properties as the stock driver resolves them."""
    properties = {
        key: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for key, value in component.exec_properties.items()
    }
    resolved = FileBasedDriver(None).resolve_exec_properties(properties, None, None)
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    Executor().Do({}, {"examples": [artifact]}, resolved)
    return artifact


def splits(artifact: standard_artifacts.Examples) -> dict[str, list[tf.train.Example]]:
    return {
        name: [
            tf.train.Example.FromString(record)
            for record in tf.data.TFRecordDataset(
                tf.io.gfile.glob(f"{artifact.uri}/Split-{name}/*"), "GZIP"
            ).as_numpy_iterator()
        ]
        for name in artifact_utils.decode_split_names(artifact.split_names)
    }


def test_the_artifact_is_as_stock_writes_it(tmp_path):
    file = rows(tmp_path)
    artifact = execute(ExampleGen(Data(path="x"), LABEL, str(file), "1"), tmp_path / "out")
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


def test_a_key_keeps_its_rows_together(tmp_path):
    data = Data(path="x", key="person")
    artifact = execute(ExampleGen(data, LABEL, str(rows(tmp_path)), "1"), tmp_path / "out")
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
        (["[1]/r*s.csv", "1/r*s.csv", "[1]/rows.csv"], "[1]/r*s.csv", 300),
    ],
)
def test_patterns(tmp_path, names, pattern, expected):
    for name in names:
        rows(tmp_path, name=name)
    component = ExampleGen(Data(path="x"), LABEL, str(tmp_path / pattern), "1")
    found = splits(execute(component, tmp_path / "out"))
    assert sum(map(len, found.values())) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/d/e/f.csv", ("/d/e", "f.csv")),
        ("/d/*/f.csv", ("/d", "*/f.csv")),
        ("/d/x/../s{SPAN}/f.csv", ("/d", "s{SPAN}/f.csv")),
        ("/f.csv", ("/", "f.csv")),
    ],
)
def test_folder_and_pattern(pattern, expected):
    assert folder_and_pattern(pattern) == expected


def test_the_node_is_named_and_the_cache_sees_code_and_schema(tmp_path):
    file, schema = rows(tmp_path), tmp_path / "schema.pbtxt"

    def properties(content: str, code: str) -> str:
        schema.write_text(content)
        component = ExampleGen(Data(path="x", schema=str(schema)), LABEL, str(file), code)
        assert component.id == "ExampleGen"
        assert component.DRIVER_CLASS is FileBasedDriver
        return component.exec_properties["custom_config"]

    first = properties("", "1")
    assert properties("", "1") == first
    assert properties("# changed", "1") != first
    assert properties("", "2") != first
    assert Settings.from_json(first).label == LABEL
    assert Settings.from_json(first).data.schema_file == str(schema)


def test_progress_is_reported(tmp_path):
    said: list[tuple[str, float | None]] = []
    with progress.listening(lambda text, fraction: said.append((text, fraction))):
        execute(ExampleGen(Data(path="x"), LABEL, str(rows(tmp_path)), "1"), tmp_path / "out")
    assert said[-1] == ("300 rows", 1.0)


def test_an_empty_split_is_an_error(tmp_path):
    component = ExampleGen(Data(path="x"), LABEL, str(rows(tmp_path, 2)), "1")
    with pytest.raises(DataError, match="no row fell into the split"):
        execute(component, tmp_path / "out")


def test_no_file(tmp_path):
    component = ExampleGen(Data(path="x"), LABEL, str(tmp_path / "none.csv"), "1")
    with pytest.raises(DataError, match="no such file"):
        execute(component, tmp_path / "out")


def test_a_label_that_is_not_there(tmp_path):
    label = Label.model_validate("tip")
    component = ExampleGen(Data(path="x"), label, str(rows(tmp_path)), "1")
    with pytest.raises(RecipeError, match="did you mean 'tips'"):
        execute(component, tmp_path / "out")


def test_an_unwritable_place(tmp_path):
    (tmp_path / "out").write_text("a file where a folder is needed")
    component = ExampleGen(Data(path="x"), LABEL, str(rows(tmp_path)), "1")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        execute(component, tmp_path / "out")


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr("trainyard.components.example_gen.executor.tf.io.TFRecordWriter", full)
    component = ExampleGen(Data(path="x"), LABEL, str(rows(tmp_path)), "1")
    with pytest.raises(EnvironmentProblem, match="No space left"):
        execute(component, tmp_path / "out")
