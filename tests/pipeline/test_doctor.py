"""The doctor finds what is wrong, and says it in words."""

from __future__ import annotations

import io
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from trainyard.pipeline import doctor
from trainyard.pipeline.doctor import Check


def test_python_outside_the_range_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.9.2")

    (check,) = doctor._python()

    assert check.state == "failed"
    assert "3.9.2" in check.finding
    assert "<3.12" in check.finding


def test_running_python_and_packages_are_right() -> None:
    assert [check.state for check in doctor._python() + doctor._packages()] == ["ok", "ok"]


def test_keras_on_another_backend_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    (check,) = doctor._backend()
    assert (check.state, check.advice) == ("failed", "unset KERAS_BACKEND")
    monkeypatch.delenv("KERAS_BACKEND")
    assert [check.state for check in doctor._backend()] == ["ok"]


def test_wrong_and_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = metadata.version

    def version(name: str) -> str:
        if name == "rich":
            raise metadata.PackageNotFoundError(name)
        return "9.9" if name == "tfx" else installed(name)

    monkeypatch.setattr(doctor.metadata, "version", version)

    (check,) = doctor._packages()

    assert check.state == "failed"
    assert "tfx 9.9 is installed, ==1.16.0 is needed" in check.finding
    assert "rich is not installed" in check.finding


@pytest.mark.parametrize(
    ("program", "state", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "failed", "AVX"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "failed", "SIGKILL"),
        ("raise ImportError('libcudart.so is broken')", "failed", "libcudart.so is broken"),
        ("import time; time.sleep(30)", "warning", "did not start"),
        ('print(\'{"total": 1.0, "gpus": []}\')', "failed", "multiplies wrongly"),
        ('print(\'{"total": 262144.0, "gpus": []}\')', "ok", "starts and calculates"),
    ],
)
def test_tensorflow_is_tried_in_its_own_process(
    monkeypatch: pytest.MonkeyPatch, program: str, state: str, words: str
) -> None:
    monkeypatch.setattr(doctor, "_TRY_TENSORFLOW", program)
    monkeypatch.setattr(doctor, "_TENSORFLOW_SECONDS", 2)

    check = doctor._tensorflow()[0]

    assert check.state == state
    assert words in check.finding


@pytest.mark.parametrize(
    ("names", "driver", "state", "words"),
    [
        (["NVIDIA H100"], True, "ok", "uses the GPU: NVIDIA H100"),
        ([], True, "warning", "does not see a GPU"),
        ([], False, "ok", "There is no GPU"),
    ],
)
def test_gpu_is_explained(
    monkeypatch: pytest.MonkeyPatch, names: list[str], driver: bool, state: str, words: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/nvidia-smi" if driver else None)

    check = doctor._gpu(names)

    assert check.state == state
    assert words in check.finding


@pytest.mark.parametrize(("gibibytes", "state"), [(0.1, "failed"), (1.0, "warning"), (50, "ok")])
def test_free_disk_is_graded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gibibytes: float, state: str
) -> None:
    usage = SimpleNamespace(free=gibibytes * 2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    assert doctor._folder("output folder", tmp_path / "new", "TRAINYARD_HOME").state == state
    assert not (tmp_path / "new").exists()


def test_folder_that_cannot_be_written_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refused)

    check = doctor._folder("output folder", tmp_path, "TRAINYARD_HOME")

    assert (check.state, "TRAINYARD_HOME" in check.advice) == ("failed", True)


@pytest.mark.parametrize(("gibibytes", "state"), [(0.5, "failed"), (2, "warning"), (8, "ok")])
def test_free_memory_is_graded(
    monkeypatch: pytest.MonkeyPatch, gibibytes: float, state: str
) -> None:
    monkeypatch.setattr(doctor, "_container_memory", lambda: gibibytes * 2**30)
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * 2**30))

    assert doctor._memory()[0].state == state


def test_data_home_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TRAINYARD_DATA_HOME", raising=False)
    assert doctor._data_home()[0].state == "ok"

    monkeypatch.setenv("TRAINYARD_DATA_HOME", str(tmp_path))
    assert str(tmp_path) in doctor._data_home()[0].finding

    monkeypatch.setenv("TRAINYARD_DATA_HOME", str(tmp_path / "absent"))
    assert doctor._data_home()[0].state == "failed"


def test_render_shows_everything_and_a_conclusion() -> None:
    found = [
        Check("memory", "ok", "8 GiB are free."),
        Check("disk", "warning", "1 GiB is free.", "make room"),
        Check("Python", "failed", "[3.9] runs here."),
    ]
    console = Console(width=100, record=True, file=io.StringIO())

    console.print(doctor.render(found))

    text = console.export_text()
    for words in ("8 GiB are free.", "→ make room", "[3.9] runs here.", "cannot run Trainyard yet"):
        assert words in text


def test_conclusion_depends_on_the_worst() -> None:
    assert doctor.conclusion([Check("a", "ok", "")]) == "This machine can run Trainyard."
    assert "worth a look" in doctor.conclusion([Check("a", "ok", ""), Check("b", "warning", "")])


def test_doctor_does_not_load_tensorflow() -> None:
    program = "import sys, trainyard.pipeline.doctor; print('tensorflow' in sys.modules)"
    ended = subprocess.run([doctor.sys.executable, "-c", program], capture_output=True, text=True)

    assert ended.stdout.strip() == "False"
