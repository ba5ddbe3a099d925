"""The PipelineJob for Vertex AI, and what its containers run."""

import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from trainyard.errors import RecipeError
from trainyard.pipeline.kubeflow import vertex, vertex_node

RECIPE = """
name: far_away
data: {path: /gcs/b/rows.csv}
label: y
task: binary
evaluation: {metrics: [auc]}
kubeflow: {image: registry.example.org/t:1, root: gs://b/runs}
"""


def recipe(folder: Path, **replaced: str) -> Path:
    text = RECIPE
    for old, new in replaced.items():
        text = text.replace(f"{old}: ", f"{old}: {new}  #", 1)
    file = folder / "far_away.yaml"
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vertex")
    vertex.compile_recipe(recipe(folder), folder / "job.json")
    return json.loads((folder / "job.json").read_text())


def test_a_job_that_vertex_can_read(job):
    spec = json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
    assert spec.pipeline_info.name == "far-away"
    assert job["runtimeConfig"]["gcsOutputDirectory"] == "gs://b/runs"
    tasks = set(spec.root.dag.tasks)
    assert {"ExampleGen", "Gate", "Transform", "Trainer", "Evaluator", "Pusher"} <= tasks
    assert {each for each in tasks if "Baseline" in each} == {
        "Baseline-model-resolver",
        "Baseline-model-blessing-resolver",
    }
    containers = [each.container for each in executors(job) if each.container.image]
    assert {each.image for each in containers} == {"registry.example.org/t:1"}
    assert {tuple(each.command) for each in containers} == {vertex.COMMAND}


def executors(job):
    spec = job["pipelineSpec"]["deploymentSpec"]
    parsed = json_format.ParseDict(
        spec, pipeline_spec_pb2.PipelineDeploymentConfig(), ignore_unknown_fields=True
    )
    return list(parsed.executors.values())


def test_the_models_go_to_the_bucket(job):
    pusher = job["pipelineSpec"]["root"]["dag"]["tasks"]["Pusher"]["inputs"]["parameters"]
    value = pusher["destination"]["runtimeValue"]["constantValue"]["stringValue"]
    assert value == "/gcs/b/runs/serving/far_away"


@pytest.mark.parametrize(
    ("replaced", "where"),
    [
        ({"data": "{dataset: wine}"}, "data.dataset"),
        ({"data": "{path: rows.csv}"}, "data.path"),
        ({"data": "{path: /gcs/b/rows.csv, schema: a.pbtxt}"}, "data.schema"),
        ({"kubeflow": "{}"}, "kubeflow.root"),
    ],
)
def test_what_vertex_cannot_reach_is_refused(tmp_path, replaced, where):
    with pytest.raises(RecipeError) as caught:
        vertex._job(vertex.parse_recipe(recipe(tmp_path, **replaced)))
    assert caught.value.where == where


def test_a_container_writes_into_the_bucket(tmp_path, monkeypatch):
    monkeypatch.setattr(vertex_node, "MOUNTED", f"{tmp_path}/")
    uri = "gs://b/run/schema"
    (tmp_path / "b" / "run" / "schema").mkdir(parents=True)
    artifact = {"uri": uri, "type": {"schemaTitle": "tfx.Schema"}, "name": "1"}
    invocation = {
        "inputs": {"parameters": {"text": {"stringValue": "feature { name: 'a' }"}}},
        "outputs": {
            "artifacts": {"schema": {"artifacts": [artifact]}},
            "outputFile": "gs://b/run/task/output.json",
        },
    }
    executor = "trainyard.components.curated_schema.component.Executor"
    words = ["--executor_class_path", executor, vertex_node._INVOCATION, json.dumps(invocation)]
    vertex_node.main(words)
    assert (tmp_path / "b/run/schema/schema.pbtxt").read_text() == "feature { name: 'a' }"
    answer = json.loads((tmp_path / "b/run/task/output.json").read_text())
    assert answer["artifacts"]["schema"]["artifacts"][0]["uri"] == uri
