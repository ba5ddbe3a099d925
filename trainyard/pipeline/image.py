"""`trainyard image build`: the container image that pods run, made of a commit."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from trainyard.errors import EnvironmentProblem, RecipeError, TrainyardError

BUILDERS = ("docker", "podman")
_LOCKS = {False: "requirements.lock", True: "requirements-gpu.lock"}
_SHORT = 12


class Built(NamedTuple):
    """What was built.

    Attributes:
        tag: The image's name.
        commit: What it is made of.
        dirty: Whether files have changed since, which the image has not.
    """

    tag: str
    commit: str
    dirty: bool


def build(project: Path, tag: str | None = None, *, gpu: bool = False, push: bool = False) -> Built:
    """Builds the image of a checkout's commit.

    Args:
        project: A folder of the checkout.
        tag: The image's name; if None, `trainyard:` and the commit.
        gpu: With CUDA.
        push: To the registry that the name begins with.

    Returns:
        What was built.

    Raises:
        EnvironmentProblem: There is nothing that builds images, or no commit to build.
        TrainyardError: The build failed.
    """
    builder = _builder()
    commit = _git(project, "rev-parse", "HEAD").decode().strip()
    dirty = bool(_git(project, "status", "--porcelain").strip())
    tag = tag or f"trainyard:{commit[:_SHORT]}{'-gpu' if gpu else ''}"
    if push and "/" not in tag:
        raise RecipeError(
            "where should it be pushed to?", expected="--tag REGISTRY/NAME:TAG", received=tag
        )
    root = Path(_git(project, "rev-parse", "--show-toplevel").decode().strip())
    with TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", commit))) as archive:
            archive.extractall(folder, filter="data")
        if not (Path(folder) / "Dockerfile").is_file():
            raise EnvironmentProblem("this commit has no Dockerfile", where=str(root))
        _run([builder, *_arguments(builder, tag, commit, gpu), folder])
    if push:
        _run([builder, "push", tag])
    return Built(tag, commit, dirty)


def _arguments(builder: str, tag: str, commit: str, gpu: bool) -> list[str]:
    command = ["buildx", "build", "--load"] if builder == "docker" else ["build"]
    given = {"LOCK": _LOCKS[gpu], "COMMIT": commit}
    more = [word for name, value in given.items() for word in ("--build-arg", f"{name}={value}")]
    return [*command, *more, "--tag", tag]


def _builder() -> str:
    for name in BUILDERS:
        if shutil.which(name):
            return name
    raise EnvironmentProblem(
        "there is nothing here that builds images",
        expected=" or ".join(BUILDERS),
        hint="install one, or build the Dockerfile where there is one",
    )


def _git(folder: Path, *words: str) -> bytes:
    ended = subprocess.run(["git", "-C", folder, *words], capture_output=True, check=False)
    if ended.returncode:
        raise EnvironmentProblem(
            "an image is made of a commit, and there is none here",
            where=str(folder),
            received=ended.stderr.decode(errors="replace").strip().splitlines()[-1],
            hint="run it in a checkout of the project",
        )
    return ended.stdout


def _run(command: Sequence[str]) -> None:
    code = subprocess.run(command, check=False).returncode
    if code:
        raise TrainyardError(
            f"{' '.join(command[:2])} ended with exit code {code}", hint="it says why above"
        )
