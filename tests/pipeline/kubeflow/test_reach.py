"""What pods can reach, found out before anything is submitted."""

from pathlib import PurePosixPath

import pytest
from pydantic import ValidationError

from trainyard.errors import RecipeError
from trainyard.pipeline.kubeflow import reach
from trainyard.recipe_schema import Kubeflow, Recipe


def recipe(**sections) -> Recipe:
    base = {"name": "a", "data": {"dataset": "wine"}, "label": "y", "task": "binary"}
    return Recipe.model_validate(base | sections)


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        ({}, "/trainyard"),
        ({"volumes": {"work": "/mnt/work", "data": "/mnt/data"}}, "/mnt/work"),
        ({"volumes": {"work": "/mnt/work"}, "root": "/mnt/work/a"}, "/mnt/work/a"),
        ({"volumes": {"bucket": "/gcs/b"}, "root": "gs://b/runs"}, "/gcs/b/runs"),
    ],
)
def test_the_root_is_on_a_volume(settings, folder):
    assert reach.root(Kubeflow(**settings)) == PurePosixPath(folder)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ("s3://b/runs", "the root is in s3:, TFX cannot write there", "mount the bucket"),
        ("minio://b/runs", "the root is in minio:, TFX cannot", "mount the bucket"),
        ("file:///tmp", "a pod's own disk is gone", "mount"),
        ("ftp://x/y", "which TFX does not know", "mount"),
        ("/tmp/runs", "each pod would have its own", "{CLAIM: /tmp}"),
        ("gs://b/runs", "each pod would have its own", "{CLAIM: /gcs/b}"),
    ],
)
def test_another_root_is_refused_with_the_reason(given, message, hint):
    with pytest.raises(RecipeError) as caught:
        reach.root(Kubeflow(root=given))
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.where == "kubeflow.root"


@pytest.mark.parametrize(
    ("sections", "where"),
    [
        ({"data": {"path": "../rows.csv"}}, "data.path"),
        ({"data": {"path": "/home/ada/rows.csv"}}, "data.path"),
        ({"data": {"path": "gs://b/rows.csv"}}, "data.path"),
        ({"push": {"destination": "served"}}, "push.destination"),
        (
            {"engine": {"name": "beam", "runner": "flink", "job_server_jar": "server.jar"}},
            "engine.job_server_jar",
        ),
        (
            {"trainer": {"module": "transfer", "params": {"weights": "my.keras"}}},
            "trainer.params.weights",
        ),
        (
            {"features": {"t": {"kind": "text", "embedding": {"file": "glove.txt"}}}},
            "features.t.embedding.file",
        ),
    ],
)
def test_a_path_of_this_machine_is_refused(sections, where):
    with pytest.raises(RecipeError, match="pods") as caught:
        reach.check(recipe(**sections))
    assert caught.value.where == where
    assert "/trainyard" in caught.value.expected
    assert caught.value.hint


def test_workers_that_cannot_reach_the_volume_are_refused():
    engine = {
        "name": "beam",
        "runner": "dataflow",
        "project": "p",
        "region": "europe-west1",
        "temp_location": "gs://b/tmp",
        "container_image": "registry.example.org/t:1",
    }
    with pytest.raises(RecipeError, match="Dataflow cannot read") as caught:
        reach.check(recipe(engine=engine))
    assert caught.value.where == "engine.runner"


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"data": {"path": "/trainyard/in/{SPAN}/rows.csv"}},
        {"trainer": {"module": "transfer", "params": {"weights": "imagenet"}}},
        {"trainer": {"module": "transfer", "params": {"weights": {"recipe": "other"}}}},
        {"trainer": {"module": "transfer", "params": {"weights": "/trainyard/my.keras"}}},
    ],
)
def test_what_pods_have_is_taken(sections):
    reach.check(recipe(**sections))


@pytest.mark.parametrize("name", ["a_", "_a", "A", "a b", "ä", "a" * 64, "-a"])
def test_argo_names(name):
    with pytest.raises(RecipeError, match="Argo does not take this name"):
        reach.name(name, "name")


def test_underscores_become_dashes():
    assert reach.name("taxi_tips", "name") == "taxi-tips"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metadata": {"kind": "sqlite"}}, "a store that they share"),
        ({"metadata": {"kind": "mysql"}}, "which needs one"),
        ({"metadata": {"secret": "x"}}, "belongs to mysql"),
        ({"pod": {"memory": "4 gigabytes"}}, "pattern"),
        ({"pod": {"cpu": "two"}}, "pattern"),
        ({"volumes": {"Work": "/work"}}, "pattern"),
        ({"volumes": {"work": "work"}}, "a folder of the pods"),
        ({"volumes": {}}, "at least 1"),
        ({"image": "My Image"}, "pattern"),
        ({"secrets": [{"name": "x"}]}, "say where pods find it"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValidationError, match=message):
        Kubeflow(**settings)
