"""Which jar is taken, and how Maven is asked for it."""

from __future__ import annotations

import os
import zipfile
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from trainyard.errors import EnvironmentProblem
from trainyard.pipeline.beam import job_servers
from trainyard.pipeline.beam.job_servers import JobServer
from trainyard.recipe_schema import FlinkEngine, SparkEngine

BEAM = metadata.version("apache-beam")
NAME = f"beam-runners-flink-1.19-job-server-{BEAM}"
DRIVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"

# As Maven answers, with a file of the name in place of a download.
MAVEN = """#!/bin/sh
cp pom.xml {asked}
for word in "$@"; do case "$word" in -DoutputDirectory=*) folder="${{word#*=}}";; esac; done
mkdir "$folder"
{then}
"""


@pytest.fixture(autouse=True)
def tools(tmp_path, monkeypatch) -> Path:
    """A folder of commands beside those of the system; a cache of its own; Java 17."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    program(folder / "java", "#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
    return folder


def program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def jar(file: Path, name: str = DRIVER.replace(".", "/") + ".class") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"")
    return file


def flink(**said) -> JobServer:
    return JobServer.of(FlinkEngine(runner="flink", **said))


def test_the_recipes_own_jar(tmp_path):
    own = jar(tmp_path / "own.jar")
    command = flink(job_server_jar=str(own), flink_master="localhost:8081").prepare()
    assert command[0] == str(tmp_path / "bin/java")
    assert command[-7:-2] == ["-cp", str(own), DRIVER, "--flink-master", "localhost:8081"]


def test_one_that_was_fetched_before(tmp_path):
    kept = tmp_path / "cache/job_servers" / NAME
    jar(kept / f"{NAME}.jar")
    assert flink().prepare()[-7:-2] == ["-cp", f"{kept}/*", DRIVER, "--flink-master", "[local]"]


def test_flink_gets_settings(monkeypatch):
    def settings(**said):
        return flink(**said).options[-2:]

    monkeypatch.delenv("FLINK_CONF_DIR", raising=False)
    name, folder = settings(flink_master="localhost:8081")
    assert name == "--flink-conf-dir"
    (own,) = Path(folder).iterdir()
    assert own.name == "flink-conf.yaml"  # what Flink 1.17 to 1.19 look for
    assert settings() == (name, folder)
    monkeypatch.setenv("FLINK_CONF_DIR", "conf")
    assert settings() == (name, "conf")


def test_spark():
    server = JobServer.of(SparkEngine(runner="spark", spark_master_url="local[2]"))
    assert server.artifact == f"org.apache.beam:beam-runners-spark-3-job-server:{BEAM}"
    assert server.options == ("--spark-master-url", "local[2]")


@pytest.mark.parametrize(
    ("named", "name", "version"),
    [
        (None, "beam-runners-flink-1.19-job-server", BEAM),
        ("org.apache.beam:beam-runners-flink-1.19:2.62.0", "beam-runners-flink-1.19", "2.62.0"),
    ],
)
def test_maven_fetches_it_once(tmp_path, tools, named, name, version):
    made = jar(tmp_path / "made.jar")
    asked = tmp_path / "asked"
    then = f'cp {made} "$folder/{name}-{version}.jar"'
    program(tools / "mvn", MAVEN.format(asked=asked, then=then))
    kept = tmp_path / "cache/job_servers" / f"{name}-{version}"
    assert f"{kept}/*" in flink(job_server=named).prepare()
    first = ET.fromstring(asked.read_text()).find(".//{*}dependency")
    assert [each.text for each in first] == ["org.apache.beam", name, version]
    asked.unlink()
    flink(job_server=named).prepare()
    assert not asked.exists()
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


def test_maven_cannot_fetch_it(tmp_path, tools):
    fails = "echo '[INFO] Scanning'; echo '[ERROR] Unknown host repo -> [Help 1]'; exit 1"
    program(tools / "mvn", MAVEN.format(asked="/dev/null", then=fails))
    with pytest.raises(EnvironmentProblem, match="Maven cannot fetch") as caught:
        flink().prepare()
    assert caught.value.received == "Unknown host repo"
    assert NAME.removesuffix(f"-{BEAM}") in caught.value.where
    assert not [*(tmp_path / "cache/job_servers").iterdir()]


def test_no_maven(tools, monkeypatch):
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(EnvironmentProblem, match="there is no Maven"):
        flink().prepare()


def test_a_cache_that_cannot_be_written(tmp_path, tools):
    (tmp_path / "cache").write_text("a file")
    program(tools / "mvn", MAVEN.format(asked="/dev/null", then="true"))
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        flink().prepare()


@pytest.mark.parametrize("kind", ["missing", "text", "spark"])
def test_another_file(tmp_path, kind):
    file = tmp_path / "own.jar"
    if kind == "text":
        file.write_text("not a jar")
    elif kind == "spark":
        jar(file, "org/apache/beam/runners/spark/SparkJobServerDriver.class")
    with pytest.raises(EnvironmentProblem, match="not Beam's job server for Flink") as caught:
        flink(job_server_jar=str(file)).prepare()
    assert caught.value.where == str(file)


def test_an_older_flink_takes_an_older_java():
    with pytest.raises(EnvironmentProblem) as caught:
        flink(flink_version="1.17").prepare()
    assert caught.value.expected == "Java 8 to 11 for Flink 1.17"
    assert set(job_servers._NEWEST_JAVA) == {
        *FlinkEngine.model_fields["flink_version"].annotation.__args__
    }


def test_beam_has_these_versions():
    from apache_beam.options.pipeline_options import FlinkRunnerOptions

    assert [*job_servers._NEWEST_JAVA] == FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS
