"""What a recipe may say of a runner, and that a mistake is told from the recipe's file."""

import pytest

from trainyard.errors import RecipeError
from trainyard.pipeline.recipe import dump, load_recipe, resolved_recipe
from trainyard.recipe_schema import DirectEngine, FlinkEngine

RECIPE = "name: trips\ndata: {path: trips.csv}\nlabel: tip\ntask: binary\n"


@pytest.fixture
def load(tmp_path):
    def loaded(engine: str):
        file = tmp_path / "recipe.yaml"
        file.write_text(f"{RECIPE}engine: {engine}\n")
        return load_recipe(file)

    return loaded


@pytest.mark.parametrize(
    "engine",
    ["{}", "{name: local}", "{name: beam, beam_options: [--a=1]}", "{name: local, runner: direct}"],
)
def test_recipes_of_before_go_on_working(load, engine):
    assert isinstance(load(engine).engine, DirectEngine)


def test_a_record_of_before_is_read(load):
    text = dump(load("{name: beam, runner: direct, beam_options: [--a=1]}"))
    assert '"engine":{"name":"beam","runner":"direct","beam_options":["--a=1"]}' in text
    assert resolved_recipe(text).engine == DirectEngine(name="beam", beam_options=("--a=1",))


def test_a_runner_survives_the_way_through_a_record(load, tmp_path):
    recipe = load("{name: beam, runner: flink, flink_version: 1.18, job_server_jar: jars/a.jar}")
    assert recipe.engine == FlinkEngine(
        runner="flink", flink_version="1.18", job_server_jar=str(tmp_path / "jars/a.jar")
    )
    assert resolved_recipe(dump(recipe)) == recipe


@pytest.mark.parametrize(
    "engine",
    [
        "{runner: flink, flink_master: 'flink:8081', worker_pool: 'localhost:50000'}",
        "{runner: flink, flink_master: 'https://flink:443', container_image: trainyard:1}",
        "{runner: flink, flink_master: 'localhost:8081'}",
        "{runner: flink, job_endpoint: '[::1]:8099'}",
        "{runner: spark, spark_master_url: 'local[2]'}",
        "{runner: spark, job_endpoint: 'spark:8099', worker_pool: 'localhost:50000'}",
    ],
)
def test_workers_within_reach(load, engine):
    assert load(engine).engine.name == "beam"


DATAFLOW = "runner: dataflow, project: p, region: r, container_image: i"


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("{runner: flnk}", "did you mean 'flink'?"),
        ("{name: local, runner: flink}", "engine.name: should be 'beam'"),
        ("{runner: flink, paralelism: 2}", "did you mean 'parallelism'?"),
        ("{runner: direct, parallelism: 2}", "unknown key 'parallelism' in engine"),
        ("{runner: flink, parallelism: 0}", "engine.parallelism: should be greater"),
        ("{runner: flink, spark_master_url: local}", "unknown key 'spark_master_url' in engine"),
        ("{runner: spark, flink_version: 1.19}", "unknown key 'flink_version' in engine"),
        ("{runner: flink, region: r}", "unknown key 'region' in engine"),
        ("{runner: flink, flink_version: 1.20}", "should be '1.17', '1.18' or '1.19'"),
        ("{runner: flink, job_endpoint: flink}", "'flink' should be HOST:PORT"),
        ("{runner: flink, job_endpoint: 'http://a:1'}", "without a scheme"),
        ("{runner: flink, job_endpoint: 'a:70000'}", "out of range"),
        ("{runner: flink, flink_master: flink}", "'flink' should be HOST:PORT"),
        ("{runner: flink, flink_master: 'flink:8081'}", "cannot reach Python workers"),
        ("{runner: flink, job_endpoint: 'flink:8099'}", "cannot reach Python workers"),
        ("{runner: spark, spark_master_url: 'spark://s:7077'}", "cannot reach Python workers"),
        ("{runner: flink, worker_pool: 'a:1', container_image: i}", "give either"),
        ("{runner: flink, job_server: beam}", "'beam' should be GROUP:NAME:VERSION"),
        ("{runner: flink, job_server: 'g:n:1', job_server_jar: a.jar}", "give either"),
        ("{runner: dataflow, project: p}", "engine.region: Field required"),
        (f"{{{DATAFLOW}, temp_location: /tmp}}", "'/tmp' should be gs://BUCKET/FOLDER"),
        (f"{{{DATAFLOW}, temp_location: 'gs://b', worker_pool: 'a:1'}}", "'worker_pool'"),
        (
            f"{{{DATAFLOW}, temp_location: 'gs://b', num_workers: 3, max_num_workers: 2}}",
            "more than `max_num_workers`",
        ),
    ],
)
def test_one_clear_error(load, engine, said):
    with pytest.raises(RecipeError) as caught:
        load(engine)
    assert said in str(caught.value)
    assert "recipe.yaml:5" in caught.value.where
