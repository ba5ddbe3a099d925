"""A job server that really takes jobs: Beam's own, in Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.beam import stand_in
from trainyard.pipeline.beam.job_servers import JobServer
from trainyard.pipeline.beam.processes import serving
from trainyard.recipe_schema import FlinkEngine


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A JAVA_HOME with the stand-in, and the jar for a recipe."""
    return stand_in.install(tmp_path_factory.mktemp("java"))


@pytest.fixture
def in_javas_place(installed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The jar for a recipe, while JAVA_HOME has the stand-in."""
    home, jar = installed
    monkeypatch.setenv("JAVA_HOME", str(home))
    return jar


@pytest.fixture(scope="session")
def job_server(
    installed: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of one that is running."""
    home, jar = installed
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(home))
        command = JobServer.of(FlinkEngine(runner="flink", job_server_jar=str(jar))).prepare()
    with serving(command, tmp_path_factory.mktemp("logs") / "job_server.log") as address:
        yield address
