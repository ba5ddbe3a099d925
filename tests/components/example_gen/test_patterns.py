"""What the user did not write as a pattern is none: names of folders."""

import shutil

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tfx.proto import example_gen_pb2
from tfx.utils import proto_utils

from trainyard.components.example_gen import executor, input_splits, patterns
from trainyard.components.example_gen.component import ExampleGen
from trainyard.components.example_gen.driver import Driver
from trainyard.data import datasets
from trainyard.errors import EnvironmentProblem, TrainyardError
from trainyard.pipeline.check import check
from trainyard.pipeline.recipe import load_recipe
from trainyard.recipe_schema import Data, Label, Recipe

NAMES = st.text("[]*?{}!\\^-a1 ", min_size=1, max_size=6).filter(lambda name: name.strip(" ."))
LAYOUTS = {
    "one.csv": ["one.csv"],
    "*.csv": ["one.csv", "two.csv"],
    "day-{SPAN}.csv": ["day-7.csv"],
    "day-{SPAN}/*.csv": ["day-7/one.csv"],
    "": ["train/one.csv", "test/two.csv"],
}


def read_by_example_gen(data):
    """The files as driver and executor find them."""
    component = ExampleGen(data, {"label": Label.model_validate("y")}, "1")
    properties = {
        key: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for key, value in component.exec_properties.items()
    }
    resolved = Driver(None).resolve_exec_properties(properties, None, None)
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(resolved["input_config"], config)
    return [file for each in executor._inputs(data, resolved) for file in each.files]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(NAMES, st.sampled_from(sorted(LAYOUTS)))
@example("exp [1]", "*.csv")
@example("exp [1]", "day-{SPAN}.csv")
@example("{SPAN}", "*.csv")
@example("a*", "")
def test_a_folders_name_is_no_pattern(tmp_path, name, layout):
    shutil.rmtree(tmp_path / "in", ignore_errors=True)
    for folder in ("exp 1", "a1", "1", "a", name):  # what the name would match as a pattern
        for file in LAYOUTS[layout]:
            place = tmp_path / "in" / folder / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("x,y\n1,2\n")
    data = Data(path=str(tmp_path / "in" / name / layout))
    expected = sorted(tmp_path / "in" / name / file for file in LAYOUTS[layout])
    assert sorted(input_splits.find(data)) == expected
    assert sorted(read_by_example_gen(data)) == expected


@pytest.mark.parametrize("name", ["exp [1]", "a*", "{SPAN}"])
def test_class_folders_and_parallel_files(tmp_path, name):
    root = tmp_path / name
    for folder in (root, tmp_path / "exp 1", tmp_path / "a1"):
        for file in ("cat/1.png", "dog/1.png", "t/t.de.txt", "t/t.en.txt"):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text("x\n")
    folders = Data(path=str(root), format="folders")
    assert {file.parent for file in read_by_example_gen(folders)} == {root}
    assert patterns.sure_folder(folders.path) == root
    parallel = Data(path=str(root / "t" / "t.*.txt"), format="parallel")
    assert read_by_example_gen(parallel) == [root / "t/t.de.txt", root / "t/t.en.txt"]


def test_a_recipe_in_a_folder_with_brackets(tmp_path):
    for folder in ("exp [1]", "exp 1"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.csv").write_text("x,y\n1,0\n")
    file = tmp_path / "exp [1]" / "r.yaml"
    file.write_text("name: r\ndata: {path: '*.csv'}\nlabel: y\ntask: binary\n")
    found = input_splits.find(load_recipe(file).data)
    assert found == [tmp_path / "exp [1]" / "rows.csv"]


def test_a_pattern_that_no_folder_is_named_like_is_still_one(tmp_path):
    for folder in ("exp 1", "exp 2", "exp 3"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.csv").write_text("x,y\n1,0\n")
    found = input_splits.find(Data(path=str(tmp_path / "exp [12]" / "*.csv")))
    assert [file.parent.name for file in found] == ["exp 1", "exp 2"]
    with pytest.raises(TrainyardError, match="no such file"):
        input_splits.find(Data(path=str(tmp_path / "exp [45]" / "*.csv")))


def test_the_home_of_data_sets(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_DATA_HOME", str(tmp_path / "data [1]"))
    several = next(each for each in datasets.DATASETS.values() if len(each.files) > 1)
    for file in several.files:
        file.place.parent.mkdir(parents=True, exist_ok=True)
        file.place.write_text("x,y\n1,0\n")
    data = Data(path=several.pattern, format=several.reading.get("format", "csv"))
    assert set(input_splits.find(data)) == {file.place for file in several.files}


def test_an_output_folder_that_tensorflow_takes_for_a_pattern_is_refused(tmp_path, monkeypatch):
    (tmp_path / "rows.csv").write_text("x,y\n" + "1,0\n2,1\n" * 20)
    recipe = Recipe.model_validate(
        {"name": "a", "data": {"path": str(tmp_path / "rows.csv")}, "label": "y", "task": "binary"}
    )
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "out [1]"))
    with pytest.raises(EnvironmentProblem, match="takes the name of this folder for a pattern"):
        check(recipe, tmp_path / "a.yaml")
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "out {1}"))
    check(recipe, tmp_path / "a.yaml")
