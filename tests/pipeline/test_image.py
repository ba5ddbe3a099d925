"""The Dockerfile, looked at, and the command that has it built; nothing here can build it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from trainyard.errors import EnvironmentProblem, RecipeError, TrainyardError
from trainyard.pipeline import image

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines()]
    parts = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(name.upper(), rest.strip()) for name, _, rest in parts]


def of(name: str) -> list[str]:
    return [rest for each, rest in instructions() if each == name]


def test_only_instructions_that_there_are():
    known = {"FROM", "ARG", "RUN", "WORKDIR", "COPY", "LABEL", "ENV", "USER", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in instructions()} <= known  # ADD would fetch what has no digest
    assert instructions()[0][0] == "FROM"


def test_bases_are_pinned_to_a_patch_version_that_the_project_takes():
    for base in of("FROM"):
        version = re.match(r"python:3\.11\.(\d+)-slim-\w+", base)
        assert version, base
        assert int(version[1]) >= 5


def test_two_stages_and_only_the_environment_goes_over():
    assert len(of("FROM")) == 2
    copied = [rest for rest in of("COPY") if rest.startswith("--from=")]
    assert copied == ["--from=build /opt/trainyard /opt/trainyard"]


def test_packages_are_those_of_the_lock_with_hashes_and_bytecode():
    commands = " ".join(of("RUN"))
    assert "uv pip sync --no-cache --require-hashes --compile-bytecode" in commands
    assert commands.count("--compile-bytecode") == 2
    assert "--no-deps" in commands
    assert re.search(r"uv==\d+\.\d+\.\d+", commands)
    for lock in image._LOCKS.values():
        assert "--hash=sha256:" in (ROOT / lock).read_text()
    assert "nvidia-cudnn-cu12" in (ROOT / image._LOCKS[True]).read_text()


def test_nobody_is_root():
    (user,) = of("USER")
    assert re.fullmatch(r"[1-9]\d*:0", user)  # Kubernetes looks no names up
    names = [name for name, _ in instructions()]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")


def test_the_commands_are_lists_and_nothing_is_secret():
    assert of("ENTRYPOINT") == ['["trainyard"]']
    assert of("CMD") == ['["--help"]']
    assert not re.search("(?i)token|password|secret", " ".join(of("ENV") + of("ARG")))


def test_what_is_copied_is_there():
    for rest in of("COPY"):
        *sources, _ = rest.split()
        for source in sources:
            if not source.startswith("--from") and "/opt" not in source and "$" not in source:
                assert (ROOT / source).exists(), source


@pytest.fixture
def checkout(tmp_path):
    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path / "project", check=True)

    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "Dockerfile").write_text("FROM scratch\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    return tmp_path / "project"


def builder(folder: Path, name: str, code: int = 0) -> str:
    """A program of that name that notes what it is asked, and what is in the context."""
    file = folder / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\nls "$_" 2>/dev/null\nexit {code}\n')
    file.chmod(0o755)
    return f"{file.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("name", "start"), [("docker", "buildx build --load"), ("podman", "build")]
)
def test_a_commit_is_built(checkout, tmp_path, monkeypatch, name, start):
    monkeypatch.setattr(image, "BUILDERS", (name,))
    monkeypatch.setenv("PATH", builder(tmp_path, name))
    built = image.build(checkout, "registry.example.org/t:1", gpu=True, push=True)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0].startswith(f"{start} --build-arg LOCK=requirements-gpu.lock")
    assert f"--build-arg COMMIT={built.commit} --tag registry.example.org/t:1" in asked[0]
    assert asked[1] == "push registry.example.org/t:1"
    assert not built.dirty


def test_what_is_not_committed_is_told(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", builder(tmp_path, "docker"))
    (checkout / "more.py").write_text("")
    built = image.build(checkout)
    assert built.dirty
    assert built.tag == f"trainyard:{built.commit[:12]}"


def test_mistakes_are_told(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", builder(tmp_path, "docker", code=3))
    with pytest.raises(TrainyardError, match="ended with exit code 3"):
        image.build(checkout)
    with pytest.raises(RecipeError, match="where should it be pushed"):
        image.build(checkout, "trainyard:1", push=True)
    with pytest.raises(EnvironmentProblem, match="made of a commit"):
        image.build(tmp_path)
    monkeypatch.setattr(image, "BUILDERS", ("no-such-builder",))
    with pytest.raises(EnvironmentProblem, match="nothing here that builds"):
        image.build(checkout)
