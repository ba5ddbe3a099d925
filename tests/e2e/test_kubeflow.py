"""The compiled graph is the local one, and a rehearsal ends as a local run does."""

import json
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
import tensorflow as tf
from google.protobuf import json_format
from kfp import components
from pyarrow import parquet

from tests.e2e.conftest import RECIPES, ROOT, in_own_process
from trainyard import outputs
from trainyard.components.pusher import versions
from trainyard.pipeline import check, recipe, workspace
from trainyard.pipeline.kubeflow import compiled, compiler, node
from trainyard.pipeline.records import RunRecord
from trainyard.pipeline.runners.nodes import NodeRunner
from trainyard.trainer_modules.harness import weights_file


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A home for both, with data where none can be fetched: no parameter hangs on rows."""
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data" / "some_class").mkdir(parents=True)
    (tmp_path / "data" / "some_class" / "1.jpg").write_bytes(b"")
    columns = {name: pa.array([b""]) for name in ("image", "left", "right")}
    parquet.write_table(pa.table(columns), tmp_path / "images.parquet")

    def fetch(name):
        kind = recipe.datasets.find(name).reading.get("format")
        return str(tmp_path / ("images.parquet" if kind == "parquet" else "data"))

    monkeypatch.setattr(recipe.datasets, "fetch", fetch)
    pushed = outputs.serving("mnist_pretrain") / "1" / weights_file.PUSHED_MODEL
    pushed.parent.mkdir(parents=True)
    pushed.write_bytes(b"")
    return tmp_path


def as_dict(nodes: NodeRunner, schema_file: str) -> dict:
    """Each node's inputs, outputs, parameters and neighbours; a schema by no path of its own."""
    found = {name: json_format.MessageToDict(each) for name, each in nodes._nodes.items()}
    return json.loads(json.dumps(found).replace(schema_file, "the schema"))


@pytest.mark.parametrize("name", RECIPES)
def test_the_compiled_graph_is_the_local_dag(name, shared):
    file, output = ROOT / "recipes" / f"{name}.yaml", shared / "pipeline.yaml"
    compiler.compile_recipe(file, output)
    pipeline = compiled.read(output)
    assert components.load_component_from_file(str(output)).name == name.replace("_", "-")

    local = check.with_module_defaults(recipe.load_recipe(file))
    nodes = NodeRunner(local, workspace.Workspace.of(local), "R")
    shown = {task.name: task.shown for task in pipeline.tasks}
    edges = {task.shown: sorted(shown[each] for each in task.after) for task in pipeline.tasks}
    assert edges == {n: sorted(each.upstream_nodes) for n, each in nodes._nodes.items()}

    arguments = pipeline.arguments({})
    words = {}
    for task in pipeline.tasks:
        command = compiled.command(task, compiled.inputs(task, "R", arguments))
        place = command.index("--node") + 1
        assert command[place] == task.shown
        words[task.shown] = [*command[:place], *command[place + 1 :]]
    assert len({tuple(each) for each in words.values()}) == 1  # one DAG in all pods

    task = node.Task(
        node="Pusher",
        run="R",
        luggage=pipeline.luggage,
        root=shared,
        metadata=f"sqlite:{shared / 'm.sqlite'}",
        changes=dict(w.split("=", 1) for f, w in pairwise(command) if f == "--set"),
    )
    remote, _ = node.loaded(task)
    there = as_dict(node.runner(task, remote), remote.data.schema_file)
    assert there == as_dict(nodes, local.data.schema_file)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsal")
    file = folder / "pipeline.yaml"
    compiler.compile_recipe(ROOT / "recipes" / "breast_cancer.yaml", file)
    ended = in_own_process("kubeflow", "rehearse", file, "--root", folder / "root")
    (record,) = (folder / "root" / "breast_cancer" / "runs").glob("*/run.json")
    return ended, RunRecord.model_validate_json(record.read_text()), record.parent


def files(record: RunRecord, stage: str, key: str) -> dict[str, Path]:
    root = record.output(stage, key)
    return {str(file.relative_to(root)): file for file in root.rglob("*") if file.is_file()}


def examples(record: RunRecord) -> dict[str, list[bytes]]:
    found = files(record, "ExampleGen", "examples")
    return {
        name: [r.numpy() for r in tf.data.TFRecordDataset(str(file), compression_type="GZIP")]
        for name, file in found.items()
        if name.endswith(".gz")
    }


def test_a_rehearsal_ends_as_a_local_run_does(rehearsed, ran):
    ended, there, folder = rehearsed
    here = ran("breast_cancer").record
    assert (ended.returncode, ended.stderr) == (0, "")
    assert there.state == here.state == "pushed"
    assert there.verdict.blessed
    assert examples(there) == examples(here)
    for stage, key in (("SchemaGen", "schema"), ("Transform", "transform_graph")):
        ours, theirs = files(here, stage, key), files(there, stage, key)
        kept = [n for n in ours if "assets" in n or n.endswith(".pbtxt")]
        assert {n: ours[n].read_bytes() for n in kept} == {n: theirs[n].read_bytes() for n in kept}
    assert there.verdict.metrics == pytest.approx(here.verdict.metrics, abs=1e-5)
    assert [f.ok for f in there.verdict.findings] == [f.ok for f in here.verdict.findings]
    assert {each.name for each in there.stages} == {each.name for each in here.stages}
    assert (folder / "report.html").exists()


def test_the_record_knows_the_pushed_version(rehearsed):
    _, record, _ = rehearsed
    destination = Path(record.verdict.destination)
    assert (destination / "saved_model.pb").exists()
    assert versions.newest_model(destination.parent) == str(record.output("Trainer", "model"))
    assert "Pushed: version 1" in record.verdict.sentences[0]
    kept = destination / versions.RECORD
    assert RunRecord.model_validate_json(kept.read_text()).known_as == record.known_as


def test_a_stage_that_fails_is_one_error(rehearsed, tmp_path):
    _, _, folder = rehearsed
    file = folder.parents[3] / "pipeline.yaml"
    arguments = ("--root", tmp_path, "--recipe-set", "data.path=/nowhere.csv")
    ended = in_own_process("kubeflow", "rehearse", file, *arguments)
    assert ended.returncode == 2
    assert "give either `dataset` or `path`" in ended.stderr
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr
