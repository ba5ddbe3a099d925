"""The Beam job servers that a run can start itself: which Java and which jars."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from trainyard.data import homes
from trainyard.errors import EnvironmentProblem
from trainyard.pipeline.beam import java
from trainyard.progress import report
from trainyard.recipe_schema import FlinkEngine, PortableEngine, SparkEngine

_FLINK_SETTINGS = Path(__file__).parent / "flink"
# What says a line or more for each task: megabytes of a small job.
_QUIET = (
    "flink=warn",
    "flink.metrics=error",
    "beam.runners.flink.FlinkPipelineRunner=warn",
    "beam.runners.fnexecution=warn",
)
_LOG = "org.slf4j:slf4j-simple:1.7.30"  # as Beam's own; one without all within it has no log
_NEWEST_JAVA = {"1.17": 11, "1.18": 17, "1.19": 21}  # Flink's own lists, by its version


@dataclass(frozen=True)
class JobServer:
    """What a runner's job server is.

    Attributes:
        runs: What it has within it, such as `Flink 1.19`.
        artifact: GROUP:NAME:VERSION in Maven.
        main_class: What has to be in its jar.
        newest_java: The last version of Java that will do.
        options: What it is told, first where jobs run.
        jar: The recipe's own jar.
    """

    runs: str
    artifact: str
    main_class: str
    newest_java: int
    options: tuple[str, ...]
    jar: str | None

    @classmethod
    def of(cls, engine: PortableEngine) -> JobServer:
        """Returns the job server for an engine.

        Args:
            engine: Flink or Spark.
        """
        match engine:
            case FlinkEngine():
                return cls(
                    runs=f"Flink {engine.flink_version}",
                    artifact=_artifact(engine, f"flink-{engine.flink_version}"),
                    main_class="org.apache.beam.runners.flink.FlinkJobServerDriver",
                    newest_java=_NEWEST_JAVA[engine.flink_version],
                    options=_flink_options(engine),
                    jar=engine.job_server_jar,
                )
            case SparkEngine():
                return cls(
                    runs="Spark 3",
                    artifact=_artifact(engine, "spark-3"),
                    main_class="org.apache.beam.runners.spark.SparkJobServerDriver",
                    newest_java=17,
                    options=("--spark-master-url", engine.spark_master_url or "local[*]"),
                    jar=engine.job_server_jar,
                )
        raise TypeError(f"no job server is known for {type(engine).__name__}")

    def prepare(self) -> list[str]:
        """Finds Java and the jars, which Maven fetches if they are not there.

        Returns:
            The command, but for where the server listens and keeps files.

        Raises:
            EnvironmentProblem: One of them is not to be had, or is not the right one.
        """
        started = java.suitable(self.newest_java, self.runs)
        quiet = [f"-Dorg.slf4j.simpleLogger.log.org.apache.{level}" for level in _QUIET]
        return [*started, *quiet, "-cp", self._class_path(), self.main_class, *self.options]

    def _class_path(self) -> str:
        if self.jar:
            self._check(Path(self.jar))
            return self.jar
        _, name, version = self.artifact.split(":")
        kept = homes.cache() / "job_servers" / f"{name}-{version}"
        if not kept.is_dir():
            _fetch(self.artifact, kept)
        self._check(kept / f"{kept.name}.jar")
        return str(kept / "*")

    def _check(self, jar: Path) -> None:
        try:
            with zipfile.ZipFile(jar) as archive:
                archive.getinfo(self.main_class.replace(".", "/") + ".class")
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            raise EnvironmentProblem(
                f"this is not Beam's job server for {self.runs}",
                where=str(jar),
                expected=f"a jar with {self.main_class}",
                received="no such file" if isinstance(error, FileNotFoundError) else str(error),
                hint=f"name {self.artifact}; or, if it was fetched, delete its folder, and it is "
                "fetched anew",
            ) from None


def _flink_options(engine: FlinkEngine) -> tuple[str, ...]:
    settings = os.environ.get("FLINK_CONF_DIR", str(_FLINK_SETTINGS))
    return "--flink-master", engine.flink_master or "[local]", "--flink-conf-dir", settings


def _artifact(engine: PortableEngine, runner: str) -> str:
    """What the recipe names, or else the jar in Beam's version that has all within it."""
    version = metadata.version("apache-beam")
    return engine.job_server or f"org.apache.beam:beam-runners-{runner}-job-server:{version}"


def _fetch(artifact: str, kept: Path) -> None:
    """Has Maven fetch a jar and what it depends on, by the user's own settings."""
    by_hand = "or set engine.job_server to a version that is there, or engine.job_server_jar"
    if (maven := shutil.which("mvn")) is None:
        raise EnvironmentProblem(
            "there is no Maven to fetch the job server with",
            where=artifact,
            hint=f"install Maven (`mvn`); {by_hand}",
        )
    report(f"Maven fetches {artifact}")
    with _folder_in(kept.parent) as folder:
        (folder / "pom.xml").write_text(_project(artifact), "utf-8")
        # Without -U Maven remembers for a day that there was no network.
        command = [maven, "--batch-mode", "--strict-checksums", "-U"]
        wanted = [f"-DoutputDirectory={folder / kept.name}", "-DincludeScope=runtime"]
        command += ["dependency:copy-dependencies", *wanted]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise EnvironmentProblem(
                "Maven cannot fetch the job server",
                where=artifact,
                received=_first_error(ended.stdout),
                hint=f"check the network and Maven's settings; {by_hand}",
            )
        (folder / kept.name).replace(kept)


def _project(artifact: str) -> str:
    """A Maven project that has nothing but dependencies: the job server, and a log for it."""
    listed = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, name, version in (each.split(":") for each in (artifact, _LOG))
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>trainyard</groupId><artifactId>job-server</artifactId><version>1</version>"
        f"<dependencies>{listed}</dependencies></project>\n"
    )


@contextmanager
def _folder_in(cache: Path) -> Iterator[Path]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            yield Path(folder)
    except OSError as error:
        raise homes.not_writable(cache, error) from None


def _first_error(output: str) -> str:
    said = [line for line in output.splitlines() if line.startswith("[ERROR] ")]
    first = (said or ["no message"])[0].removeprefix("[ERROR] ").removesuffix(" -> [Help 1]")
    return first.rpartition("job-server:jar:1: ")[2][:300]  # before that: which goal failed
