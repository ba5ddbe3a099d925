"""The Beam job servers that a run can start itself: which Java and which jar."""

from __future__ import annotations

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

_GROUP = "org.apache.beam"
_NEWEST_JAVA = {"1.17": 11, "1.18": 17, "1.19": 21}  # Flink's own lists, by its version


@dataclass(frozen=True)
class JobServer:
    """What a runner's job server is.

    Attributes:
        runs: What it has within it, such as `Flink 1.19`.
        artifact: Its name in Maven.
        main_class: What has to be in the jar.
        newest_java: The last version of Java that will do.
        master: The option that says where jobs run.
        jar: The recipe's own jar.
    """

    runs: str
    artifact: str
    main_class: str
    newest_java: int
    master: tuple[str, str]
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
                    artifact=f"beam-runners-flink-{engine.flink_version}-job-server",
                    main_class="org.apache.beam.runners.flink.FlinkJobServerDriver",
                    newest_java=_NEWEST_JAVA[engine.flink_version],
                    master=("--flink-master", engine.flink_master or "[local]"),
                    jar=engine.job_server_jar,
                )
            case SparkEngine():
                return cls(
                    runs="Spark 3",
                    artifact="beam-runners-spark-3-job-server",
                    main_class="org.apache.beam.runners.spark.SparkJobServerDriver",
                    newest_java=17,
                    master=("--spark-master-url", engine.spark_master_url or "local[*]"),
                    jar=engine.job_server_jar,
                )
        raise TypeError(f"no job server is known for {type(engine).__name__}")

    def prepare(self) -> list[str]:
        """Finds Java and the jar, which Maven fetches if it is not there.

        Returns:
            The command, but for where the server listens and keeps files.

        Raises:
            EnvironmentProblem: One of them is not to be had, or is not the right one.
        """
        started = java.suitable(self.newest_java, self.runs)
        return [*started, "-jar", str(self._found()), *self.master]

    def _found(self) -> Path:
        version = metadata.version("apache-beam")
        kept = homes.cache() / "job_servers" / f"{self.artifact}-{version}.jar"
        jar = Path(self.jar) if self.jar else kept
        if not self.jar and not jar.is_file():
            _fetch(f"{_GROUP}:{self.artifact}:{version}", jar)
        self._check(jar)
        return jar

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
                hint=f"the jar of {_GROUP}:{self.artifact} in Beam's version; or delete the file, "
                "and it is fetched anew",
            ) from None


def _fetch(artifact: str, jar: Path) -> None:
    """Has Maven fetch a jar, by the user's own settings."""
    by_hand = f"fetch {artifact} elsewhere and put it at {jar}, or set engine.job_server_jar"
    if (maven := shutil.which("mvn")) is None:
        raise EnvironmentProblem(
            "there is no Maven to fetch the job server with",
            where=artifact,
            hint=f"install Maven (`mvn`); or {by_hand}",
        )
    report(f"Maven fetches {artifact}")
    with _folder_in(jar.parent) as folder:
        wanted = [f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
        # Without -U Maven remembers for a day that there was no network.
        command = [maven, "--batch-mode", "--strict-checksums", "-U", "dependency:copy", *wanted]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise EnvironmentProblem(
                "Maven cannot fetch the job server",
                where=artifact,
                received=_first_error(ended.stdout),
                hint=f"check the network and Maven's settings; or {by_hand}",
            )
        (folder / jar.name).replace(jar)


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
    first = (said or ["no message"])[0].removeprefix("[ERROR] ")
    return first.rpartition("standalone-pom: ")[2][:300]  # before that: which goal failed
