"""Each option string of each runner, and that Beam itself reads it back."""

import pytest
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    SparkRunnerOptions,
    WorkerOptions,
)
from pydantic import TypeAdapter

from trainyard.pipeline.beam.options import options
from trainyard.recipe_schema import AnyEngine, DirectEngine, Engine

POOL = ["--environment_type=EXTERNAL", "--environment_config=localhost:50000"]
IMAGE = ["--environment_type=DOCKER", "--environment_config=trainyard:1"]
TIMEOUT = "--job_server_timeout=604800"
INSTALLED = "--sdk_container_image=installed"
FLINK = ["--runner=FlinkRunner", "--flink_version=1.19"]


def engine(**said) -> Engine:
    return TypeAdapter(AnyEngine).validate_python({"name": "beam", **said})


def test_the_direct_runner_has_no_options():
    assert options(DirectEngine()) == []
    assert options(engine(beam_options=["--direct_num_workers=2"])) == ["--direct_num_workers=2"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, []),
        ({"flink_version": "1.18"}, ["--flink_version=1.18"]),
        ({"flink_master": "localhost:8081"}, ["--flink_master=localhost:8081"]),
        ({"job_endpoint": "localhost:8099"}, ["--job_endpoint=localhost:8099"]),
        ({"artifact_endpoint": "localhost:8098"}, ["--artifact_endpoint=localhost:8098"]),
        ({"sdk_worker_parallelism": 2}, ["--sdk_worker_parallelism=2"]),
        ({"parallelism": 4}, ["--parallelism=4"]),
        ({"max_parallelism": 8}, ["--max_parallelism=8"]),
        ({"job_server_jar": "a.jar"}, []),
        ({"job_server": "group:name:1"}, []),
        ({"beam_options": ["--object_reuse"]}, ["--object_reuse"]),
    ],
)
def test_flink(said, expected):
    plain = {"--environment_type=LOOPBACK", INSTALLED, TIMEOUT, *FLINK}
    given = {option.partition("=")[0] for option in expected}
    kept = {option for option in plain if option.partition("=")[0] not in given}
    assert set(options(engine(runner="flink", **said))) == kept | set(expected)


@pytest.mark.parametrize("runner", ["flink", "spark"])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ["--environment_type=LOOPBACK", INSTALLED]),
        ({"worker_pool": "localhost:50000"}, [*POOL, INSTALLED]),
        ({"container_image": "trainyard:1"}, [*IMAGE, "--sdk_container_image=trainyard:1"]),
    ],
)
def test_who_does_the_python_work(runner, said, expected):
    assert options(engine(runner=runner, **said))[-len(expected) :] == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, []),
        ({"spark_master_url": "local[2]"}, ["--spark_master_url=local[2]"]),
        ({"job_endpoint": "localhost:8099"}, ["--job_endpoint=localhost:8099"]),
    ],
)
def test_spark(said, expected):
    found = options(engine(runner="spark", **said))
    assert found == [
        "--runner=SparkRunner",
        *expected,
        TIMEOUT,
        "--environment_type=LOOPBACK",
        INSTALLED,
    ]


DATAFLOW = {
    "project": "p",
    "region": "europe-west1",
    "temp_location": "gs://b/temp",
    "container_image": "europe-docker/trainyard:1",
}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, []),
        ({"staging_location": "gs://b/staging"}, ["--staging_location=gs://b/staging"]),
        ({"num_workers": 2}, ["--num_workers=2"]),
        ({"max_num_workers": 8}, ["--max_num_workers=8"]),
        ({"machine_type": "n2-standard-4"}, ["--machine_type=n2-standard-4"]),
        ({"service_account_email": "a@b"}, ["--service_account_email=a@b"]),
        ({"beam_options": ["--subnetwork=s"]}, ["--subnetwork=s"]),
    ],
)
def test_dataflow(said, expected):
    assert set(options(engine(runner="dataflow", **DATAFLOW, **said))) == {
        "--runner=DataflowRunner",
        "--project=p",
        "--region=europe-west1",
        "--temp_location=gs://b/temp",
        "--sdk_container_image=europe-docker/trainyard:1",
        *expected,
    }


def test_the_recipes_own_options_win():
    said = options(engine(runner="flink", parallelism=2, beam_options=["--parallelism=4"]))
    assert PipelineOptions(said).view_as(FlinkRunnerOptions).parallelism == 4


@pytest.mark.parametrize(
    ("runner", "view", "said"),
    [
        ("flink", FlinkRunnerOptions, {"flink_master": "http://f:8081", "flink_version": "1.18"}),
        ("flink", FlinkRunnerOptions, {"parallelism": 4, "max_parallelism": 8}),
        ("flink", PortableOptions, {"job_endpoint": "j:8099", "artifact_endpoint": "j:8098"}),
        ("spark", PortableOptions, {"sdk_worker_parallelism": 2}),
        ("spark", SparkRunnerOptions, {"spark_master_url": "spark://s:7077"}),
        ("dataflow", GoogleCloudOptions, {"project": "p", "region": "europe-west1"}),
        ("dataflow", GoogleCloudOptions, {"temp_location": "gs://b", "staging_location": "gs://s"}),
        ("dataflow", GoogleCloudOptions, {"service_account_email": "a@b"}),
        ("dataflow", WorkerOptions, {"num_workers": 1, "max_num_workers": 2}),
        ("dataflow", WorkerOptions, {"machine_type": "n2-standard-4"}),
    ],
)
def test_beam_reads_them_back(runner, view, said):
    needed = DATAFLOW if runner == "dataflow" else {"container_image": "i"}
    parsed = PipelineOptions(options(engine(**{"runner": runner, **needed, **said})))
    read = {name: str(getattr(parsed.view_as(view), name)) for name in said}
    assert read == {name: str(value) for name, value in said.items()}
    assert not parsed.view_as(SetupOptions).save_main_session
