"""The fingerprint of the input files, by which TFX's cache knows them."""

import os

import pytest
from tfx.proto import example_gen_pb2
from tfx.utils import proto_utils

from trainyard.components.example_gen.component import ExampleGen
from trainyard.components.example_gen.driver import Driver
from trainyard.recipe_schema import Data, Label

_THEN = (1_700_000_000_000_000_000, 1_700_000_000_000_000_000)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))


def resolved(data):
    component = ExampleGen(data, {"label": Label.model_validate("label")}, "1")
    properties = {
        key: proto_utils.proto_to_json(value) if hasattr(value, "DESCRIPTOR") else value
        for key, value in component.exec_properties.items()
    }
    return Driver(None).resolve_exec_properties(properties, None, None)


def key(data):
    """What the cache looks at."""
    return sorted((name, str(value)) for name, value in resolved(data).items())


def files(folder, **contents):
    for name, text in contents.items():
        file = folder / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, ns=_THEN)


def swap(one, other):
    one.rename(one.with_name("aside"))
    other.rename(one)
    one.with_name("aside").rename(other)


LAYOUTS = {
    "lines": ({"path": "r.*.txt", "format": "lines"}, ("r.neg.txt", "r.pos.txt")),
    "parallel": ({"path": "t.*.txt", "format": "parallel"}, ("t.de.txt", "t.en.txt")),
    "order of rows": ({"path": "*.csv", "split": {"in_order": True}}, ("a.csv", "b.csv")),
    "spans": ({"path": "day-{SPAN}.csv", "spans": 2}, ("day-1.csv", "day-2.csv")),
    "class folders": ({"path": ".", "format": "folders"}, ("cat/1.png", "dog/1.png")),
    "input splits": ({"path": "."}, ("train/a.csv", "test/a.csv")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("change", ["swapped", "overwritten", "touched, one byte"])
def test_what_the_result_depends_on_is_in_the_key(tmp_path, layout, change):
    options, names = LAYOUTS[layout]
    data = Data.model_validate({**options, "path": str(tmp_path / "in" / options["path"])})
    one, other = (tmp_path / "in" / name for name in names)
    for file, text in ((one, "label\n1\n"), (other, "label\n0\n")):
        files(tmp_path / "in", **{str(file.relative_to(tmp_path / "in")).replace("/", "__"): text})
    before = key(data)
    assert key(data) == before
    if change == "swapped":
        swap(one, other)
    else:
        one.write_text("label\n3\n")
        os.utime(one, ns=(_THEN[0], _THEN[1] + (change != "overwritten")))
    assert key(data) != before


def test_the_line_of_a_fingerprint(tmp_path):
    files(tmp_path, a_csv="label\n1\n", b_csv="label\n22\n")
    found = resolved(Data(path=str(tmp_path / "*.csv")))
    line, pattern = found["input_fingerprint"], example_gen_pb2.Input()
    assert line.startswith("split:single_split,num_files:2,total_bytes:17,sha256:")
    proto_utils.json_to_proto(found["input_config"], pattern)
    assert [split.pattern for split in pattern.splits] == ["*.csv"]
    assert (found["span"], found["version"]) == (0, None)


def test_another_place_with_the_same_content_has_the_same_fingerprint(tmp_path):
    for folder in ("one", "two"):
        files(tmp_path / folder, a_csv="label\n1\n")
    first, second = (
        resolved(Data(path=str(tmp_path / folder / "a.csv")))["input_fingerprint"]
        for folder in ("one", "two")
    )
    assert first == second


@pytest.mark.parametrize("gained", [True, False])
def test_a_glob_that_gains_or_loses_a_file(tmp_path, gained):
    files(tmp_path, a_csv="label\n1\n", **({} if gained else {"b_csv": "label\n"}))
    before = key(Data(path=str(tmp_path / "*.csv")))
    files(tmp_path, b_csv="label\n") if gained else (tmp_path / "b.csv").unlink()
    assert key(Data(path=str(tmp_path / "*.csv"))) != before
