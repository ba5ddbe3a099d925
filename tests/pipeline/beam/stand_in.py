"""Beam's own job service, in Python, in the place of the Java one that has Flink within it.

The client, the Job API, the staging, the workers and all that Trainyard does are real, and the
job is run by Beam's local runner where Flink would run it. Put into JAVA_HOME by `install`, it
is started as the Java one is.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import zipfile
from pathlib import Path

_LAUNCHER = """#!/bin/sh
[ "$1" = -version ] && echo 'openjdk version "17.0.1"' >&2 && exit
echo "$@"
exec {python} {script} "$@"
"""


def install(folder: Path) -> tuple[Path, Path]:
    """Writes a Java that starts this file in place of a jar, and such a jar.

    Returns:
        What JAVA_HOME should be, and the jar.
    """
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True, exist_ok=True)
    java.write_text(_LAUNCHER.format(python=sys.executable, script=Path(__file__).absolute()))
    java.chmod(0o755)
    jar = folder / "job-server.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("org/apache/beam/runners/flink/FlinkJobServerDriver.class", b"")
    return folder, jar


def main() -> None:
    """Serves jobs until it is ended, at the port that the Java one is given."""
    from apache_beam.runners.portability import local_job_service_main

    parser = argparse.ArgumentParser()
    parser.add_argument("--job-port", required=True)
    parser.add_argument("--artifacts-dir", required=True)
    known, _ = parser.parse_known_args()
    logging.basicConfig(level=logging.INFO)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    local_job_service_main.run(["-p", known.job_port, "--staging_dir", known.artifacts_dir])


if __name__ == "__main__":
    main()
