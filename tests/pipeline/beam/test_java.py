"""Which Java is found and taken."""

import os
import subprocess
from pathlib import Path

import pytest

from trainyard.errors import EnvironmentProblem
from trainyard.pipeline import doctor
from trainyard.pipeline.beam import java


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Makes JAVA_HOME one that answers `-version` as a real one does."""

    def put(answer: str) -> Path:
        launcher = tmp_path / "bin" / "java"
        launcher.parent.mkdir(exist_ok=True)
        launcher.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
        launcher.chmod(0o755)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        return launcher

    return put


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "11.0.2"', 11),
    ],
)
def test_versions(says, answer, version):
    assert java.version(str(says(answer))) == version


def test_newer_ones_are_opened(says):
    launcher = says('openjdk version "17.0.15"')
    command = java.suitable(21, "Flink 1.19")
    assert command[0] == str(launcher)
    assert "--add-opens=java.base/java.util=ALL-UNNAMED" in command
    assert "--add-exports=java.base/sun.net.util=ALL-UNNAMED" in command
    assert len(command) == 21


def test_java_8_knows_no_modules(says):
    launcher = says('java version "1.8.0_402"')
    assert java.suitable(11, "Flink 1.17") == [str(launcher)]


@pytest.mark.parametrize(("version", "newest"), [("17.0.1", 11), ("1.7.0", 17), ("22", 21)])
def test_the_wrong_java(says, version, newest):
    says(f'java version "{version}"')
    with pytest.raises(EnvironmentProblem, match="not the right Java") as caught:
        java.suitable(newest, "Flink")
    assert caught.value.expected == f"Java 8 to {newest} for Flink"


def test_no_java(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="there is no Java"):
        java.suitable(17, "Flink")
    assert "Not found" in doctor._java().finding


def test_a_java_that_does_not_start(says):
    says("Error: could not find libjava.so")
    with pytest.raises(EnvironmentProblem, match="does not say its version") as caught:
        java.suitable(17, "Flink")
    assert "libjava.so" in caught.value.received
    assert doctor._java().state == "warning"


def test_the_doctor_knows_what_flink_takes(says):
    says('openjdk version "17.0.15"')
    assert doctor._java().state == "ok"
    says('openjdk version "25"')
    assert doctor._java().state == "warning"


@pytest.mark.skipif(java.launcher() is None, reason="there is no Java")
def test_a_real_java_takes_the_options(tmp_path):
    version = java.version(java.launcher())
    ended = subprocess.run(
        [*java.suitable(max(version, 8), "this test"), "-version"], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert "WARNING" not in ended.stderr or os.environ.get("JAVA_TOOL_OPTIONS")
