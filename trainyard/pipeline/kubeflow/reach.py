"""What pods can reach: a shared folder on a volume, and no file of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from trainyard.errors import RecipeError
from trainyard.recipe_schema import DataflowEngine, Kubeflow, PortableEngine, Recipe, TextFeature
from trainyard.trainer_modules import registry

BUCKETS = PurePosixPath("/gcs")
"""Where Cloud Storage FUSE shows buckets; Vertex AI has it of its own accord."""

_ELSEWHERE = {
    "s3": "TFX cannot write there",
    "minio": "TFX cannot write there",
    "hdfs": "TFX cannot write there",
    "file": "a pod's own disk is gone with the pod",
}
_ANYWHERE = Path("/anywhere")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST = 63


def root(settings: Kubeflow) -> PurePosixPath:
    """Finds the folder that all pods share, as they see it.

    Args:
        settings: The recipe's.

    Raises:
        RecipeError: Pods cannot reach it, or would not share it.
    """
    given = settings.root or next(iter(settings.volumes.values()))
    scheme = urlsplit(given).scheme
    if scheme not in ("", "gs"):
        raise RecipeError(
            f"the root is in {scheme}:, {_ELSEWHERE.get(scheme, 'which TFX does not know')}",
            where="kubeflow.root",
            expected="a folder on one of kubeflow.volumes, or gs://BUCKET/FOLDER",
            received=given,
            hint="mount the bucket as a volume, and give the folder there",
        )
    folder = BUCKETS / given.removeprefix("gs://") if scheme else PurePosixPath(given)
    if not _on_a_volume(folder, settings):
        raise RecipeError(
            "the root is on none of the recipe's volumes: each pod would have its own",
            where="kubeflow.root",
            expected=", ".join(settings.volumes.values()),
            received=given,
            hint=f"kubeflow.volumes: {{CLAIM: {_volume_for(folder)}}}, where CLAIM is "
            + ("a claim of the Cloud Storage FUSE driver" if scheme else "that all can mount"),
        )
    return folder


def _on_a_volume(path: PurePosixPath, settings: Kubeflow) -> bool:
    return any(path.is_relative_to(mount) for mount in settings.volumes.values())


def _volume_for(folder: PurePosixPath) -> PurePosixPath:
    """The folder that a volume would have to be mounted at; of a bucket, all of it."""
    depth = 3 if folder.is_relative_to(BUCKETS) else 2
    return PurePosixPath(*folder.parts[:depth])


def check(recipe: Recipe) -> None:
    """Looks for files that are on this machine only.

    Args:
        recipe: As its file has it.

    Raises:
        RecipeError: The recipe names one, or an engine whose workers are elsewhere.
    """
    if isinstance(recipe.engine, DataflowEngine):
        raise RecipeError(
            "the workers of Dataflow cannot read the folder that pods share",
            where="engine.runner",
            hint="the engine `local`, or a Flink or Spark cluster that mounts the volume",
        )
    for key, path in _named(recipe):
        if not _on_a_volume(PurePosixPath(path), recipe.kubeflow):
            volumes = ", ".join(recipe.kubeflow.volumes.values())
            bucket = path.startswith("gs://")
            raise RecipeError(
                "pods read buckets as folders" if bucket else "pods cannot reach this path",
                where=key,
                expected=f"an absolute path in one of kubeflow.volumes: {volumes}",
                received=path,
                hint=f"mount the bucket, and say {BUCKETS / path.removeprefix('gs://')}"
                if bucket
                else "copy it to a volume, and give its path there",
            )


def _named(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The paths of a recipe, by key; its schema travels with it."""
    if recipe.data.dataset is None:
        yield "data.path", recipe.data.path or ""
    if recipe.push.destination is not None:
        yield "push.destination", recipe.push.destination
    for name, feature in recipe.features.items():
        if isinstance(feature, TextFeature) and feature.embedding:
            yield f"features.{name}.embedding.file", str(feature.embedding.file)
    if isinstance(recipe.engine, PortableEngine) and recipe.engine.job_server_jar:
        yield "engine.job_server_jar", recipe.engine.job_server_jar
    for name in _files(recipe):
        yield f"trainer.params.{name}", recipe.trainer.params[name]


def _files(recipe: Recipe) -> Iterator[str]:
    """The trainer's parameters that are paths: only the module knows which are."""
    module = registry.find(recipe.trainer.module)
    for name, value in recipe.trainer.params.items():
        pinned = registry.pinned(module, {name: value}, _ANYWHERE)[name]
        if isinstance(value, str) and pinned == str(_ANYWHERE / value):
            yield name


def name(words: str, where: str) -> str:
    """Turns a name into one that Argo and Kubernetes take.

    Args:
        words: Such as a recipe's name.
        where: What it is the name of, for the error.

    Raises:
        RecipeError: It cannot be turned into one.
    """
    label = words.replace("_", "-")
    if not _LABEL.fullmatch(label) or len(label) > _LONGEST:
        raise RecipeError(
            "Argo does not take this name",
            where=where,
            expected=f"small letters, digits and dashes, at most {_LONGEST}; "
            "a letter or a digit first and last",
            received=repr(words),
        )
    return label
