"""A compiled file as Kubeflow's driver and launcher read it."""

import shutil
import subprocess
import sys
from itertools import pairwise

import pytest
import yaml

from tests.pipeline.kubeflow.conftest import WINE, wine, written
from trainyard.errors import RecipeError
from trainyard.pipeline.kubeflow import compiled
from trainyard.pipeline.kubeflow.luggage import Luggage


def commands(pipeline, run="R", **given):
    arguments = pipeline.arguments(given)
    return {
        task.shown: compiled.command(task, compiled.inputs(task, run, arguments))
        for task in pipeline.tasks
    }


def test_commands_as_a_pod_gets_them(pipeline):
    found = commands(compiled.read(pipeline), epochs="3")
    assert list(found) == ["ExampleGen", "Transform", "Trainer"]
    words = found["Transform"]
    assert words[:6] == ["python", "-m", "trainyard", "run-node", "--node", "Transform"]
    assert words[6:8] == ["--run", "R"]
    changes = [word for flag, word in pairwise(words) if flag == "--set"]
    assert changes[:2] == ["trainer.epochs=3", "evaluation.thresholds.0.min=0.95"]
    assert "{{" not in " ".join(words)


def test_edges_are_those_of_the_graph(pipeline):
    tasks = {task.shown: task for task in compiled.read(pipeline).tasks}
    assert tasks["Trainer"].after == ("example-gen", "transform")
    assert tasks["ExampleGen"].after == ()


def test_the_recipe_travels_word_by_word(pipeline, tmp_path):
    luggage = compiled.read(pipeline).luggage
    assert luggage.text == (tmp_path / "recipes" / "wine.yaml").read_text()
    assert luggage.schema_text == (tmp_path / "schemas" / "wine.pbtxt").read_text()
    assert luggage.parsed().name == "wine"


def test_another_machine_loads_the_recipe_with_other_values(pipeline, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "pod"))
    luggage = compiled.read(pipeline).luggage
    shutil.rmtree(tmp_path / "recipes")
    shutil.rmtree(tmp_path / "schemas")
    changes = {"trainer.epochs": "3", "evaluation.thresholds.0.min": "0.5"}
    recipe, file = luggage.load(changes)
    assert recipe.trainer.epochs == 3
    assert recipe.evaluation.thresholds[0].min == 0.5
    assert recipe.data.schema_file.startswith(str(tmp_path / "pod" / "wine" / "recipes"))
    assert file.read_text().startswith("# yaml-language-server")  # comments travel too
    assert luggage.load({})[0].data.schema_file == recipe.data.schema_file


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer.epochs": "many"}, "trainer.epochs"),
        ({"trainer.epoch": "3"}, "did you mean 'epochs'"),
        ({"evaluation.thresholds.9.min": "0.5"}, "there is no 'evaluation.thresholds.9.min'"),
        ({"name.a": "b"}, "there is no 'name.a'"),
    ],
)
def test_wrong_changes_are_told(pipeline, tmp_path, monkeypatch, changes, message):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "pod"))
    with pytest.raises(RecipeError, match=message):
        compiled.read(pipeline).luggage.load(changes)


def test_luggage_that_is_none():
    with pytest.raises(RecipeError, match="cannot be read"):
        Luggage.unpacked("bm9uZQ==")


@pytest.mark.parametrize(
    ("value", "text"),
    [(60, "60"), (60.0, "60"), (0.98, "0.98"), (1e-05, "0.00001"), ("a b", "a b"), (True, "true")],
)
def test_numbers_as_go_writes_them(value, text):
    assert compiled._text(value) == text


def test_a_placeholder_within_a_constant_is_not_replaced(pipeline):
    (task, *_) = compiled.read(pipeline).tasks
    source = {"runtimeValue": {"constant": "run-{{$.pipeline_job_uuid}}"}}
    changed = compiled.Task(**{**vars(task), "inputs": {"run": source}})
    with pytest.raises(RecipeError, match="would leave a placeholder"):
        compiled.command(changed, compiled.inputs(changed, "R", {}))


def test_an_input_from_another_task_is_refused(pipeline):
    (task, *_) = compiled.read(pipeline).tasks
    source = {"taskOutputParameter": {"producerTask": "x", "outputParameterKey": "y"}}
    changed = compiled.Task(**{**vars(task), "inputs": {"run": source}})
    with pytest.raises(RecipeError, match="is no value"):
        compiled.inputs(changed, "R", {})


@pytest.mark.parametrize(
    "text", ["", "a: b", "- 1", "pipelineInfo: {name: x}\nroot: {dag: {tasks: {}}}\n", ":::\n\t"]
)
def test_other_files_are_told(tmp_path, text):
    file = tmp_path / "other.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError):
        assert compiled.read(file).luggage
    with pytest.raises(RecipeError, match="cannot read the pipeline"):
        compiled.read(tmp_path / "none.yaml")


PODS = """
schedule: {cron: '0 4 * * *'}
kubeflow:
  image: registry.example.org/team/trainyard:abc
  root: /mnt/work/runs
  volumes: {work: /mnt/work, data: /mnt/data}
  metadata: {kind: mysql, host: mysql.kubeflow, secret: mysql}
  secrets:
    - {name: tracking, env: {token: TRACKING_TOKEN}}
    - {name: keys, mount: /keys}
  caching: false
  pod: {cpu: '1', memory: 2G, retries: 2}
  nodes: {Trainer: {gpu: 1, memory: 8G, node_selector: {pool: gpu}}}
  service_account: runner
  image_pull_secret: registry
  image_pull_policy: Always
"""


def test_pods_get_what_the_recipe_says(tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(written(wine(tmp_path, PODS)))
    spec, platform = yaml.safe_load_all(file.read_text())
    executors = spec["deploymentSpec"]["executors"]
    trainer = executors["exec-trainer"]["container"]
    assert trainer["image"] == "registry.example.org/team/trainyard:abc"
    limits = trainer["resources"]
    assert (limits["resourceCpuLimit"], limits["resourceMemoryLimit"]) == ("1", "8G")
    assert limits["accelerator"]["resourceType"] == "nvidia.com/gpu"
    assert executors["exec-transform"]["container"]["resources"]["resourceMemoryLimit"] == "2G"
    assert "accelerator" not in executors["exec-transform"]["container"]["resources"]
    task = spec["root"]["dag"]["tasks"]["trainer"]
    assert task["retryPolicy"]["maxRetryCount"] == 2
    assert task["cachingOptions"] == {}
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    pod = pods["exec-trainer"]
    assert [mount["mountPath"] for mount in pod["pvcMount"]] == ["/mnt/work", "/mnt/data"]
    assert pod["nodeSelector"]["labels"] == {"pool": "gpu"}
    assert "nodeSelector" not in pods["exec-transform"]
    assert [each["secretName"] for each in pod["secretAsEnv"]] == ["tracking", "mysql"]
    assert pod["secretAsVolume"][0]["mountPath"] == "/keys"
    assert pod["imagePullPolicy"] == "Always"
    words = commands(compiled.read(file))["Trainer"]
    assert "--no-cache" in words
    assert words[words.index("--metadata") + 1] == "mysql://mysql.kubeflow:3306/trainyard"
    assert words[words.index("--root") + 1] == "/mnt/work/runs"
    assert "s3cret" not in file.read_text()


def test_kfp_loads_the_file(tmp_path):
    from kfp import components

    assert components.load_component_from_text(written(WINE)).name == "wine"


def test_help_loads_no_kfp():
    code = (
        "import sys; sys.argv = ['trainyard', 'kubeflow', '--help']\n"
        "from trainyard.pipeline import cli\n"
        "cli.answer()\n"
        "assert not {'kfp', 'kfp_server_api', 'tensorflow', 'tfx'} & set(sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
