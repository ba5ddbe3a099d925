"""Whether a registry has an image: asked where it answers anybody, not known elsewhere."""

from __future__ import annotations

import re
from typing import NamedTuple

import requests

from trainyard.errors import RecipeError

_SECONDS = 5
_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class Image(NamedTuple):
    """The parts of an image's name."""

    registry: str
    repository: str
    reference: str

    @classmethod
    def of(cls, name: str) -> Image | None:
        """Takes a name apart; None if it names no registry: then only the cluster knows."""
        registry, slash, rest = name.partition("/")
        if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
            return None
        rest, at, digest = rest.partition("@")
        repository, colon, tag = rest.rpartition(":")
        if not colon:
            repository, tag = rest, "latest"
        return cls(registry, repository, digest if at else tag)

    @property
    def manifest(self) -> str:
        """The address of its manifest."""
        scheme = "http" if re.match(r"(localhost|127\.0\.0\.1)(:|$)", self.registry) else "https"
        return f"{scheme}://{self.registry}/v2/{self.repository}/manifests/{self.reference}"


def check(name: str) -> str:
    """Looks for an image in its registry.

    Args:
        name: Such as `registry.example.org/trainyard:0.1.0`.

    Returns:
        A sentence if it could not be found out; empty if the image is there.

    Raises:
        RecipeError: The registry says that it has no such image.
    """
    unknown = f"whether the image {name} exists was not checked: "
    image = Image.of(name)
    if image is None:
        return f"{unknown}its name has no registry, so only the cluster knows it"
    try:
        status = _status(image)
    except requests.RequestException:
        return f"{unknown}{image.registry} does not answer from here"
    if status == requests.codes.not_found:
        raise RecipeError(
            f"there is no image {name}",
            where="kubeflow.image",
            received=f"{status} from {image.registry}",
            hint="build and push it: trainyard image build --push; then compile again",
        )
    return "" if status == requests.codes.ok else f"{unknown}{image.registry} answers {status}"


def _status(image: Image) -> int:
    headers = {"Accept": _ACCEPT}
    answer = requests.head(image.manifest, headers=headers, timeout=_SECONDS, allow_redirects=True)
    challenge = answer.headers.get("WWW-Authenticate", "")
    if answer.status_code == requests.codes.unauthorized and challenge.startswith("Bearer "):
        headers["Authorization"] = f"Bearer {_anonymous(challenge)}"
        answer = requests.head(image.manifest, headers=headers, timeout=_SECONDS)
    return answer.status_code


def _anonymous(challenge: str) -> str:
    """Gets the token that a registry gives anybody who wants to read."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.pop("realm", "")
    answer = requests.get(realm, params=fields, timeout=_SECONDS)
    given = answer.json() if answer.ok else {}
    return str(given.get("token") or given.get("access_token") or "")
