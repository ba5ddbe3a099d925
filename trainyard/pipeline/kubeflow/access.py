"""Who asks Kubeflow's API: a token, a login at dex, or the pod that one is in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from trainyard.errors import EnvironmentProblem, RecipeError
from trainyard.recipe_schema.secret_values import without_password

TOKEN, USER, PASSWORD = "KUBEFLOW_TOKEN", "KUBEFLOW_USER", "KUBEFLOW_PASSWORD"
"""Environment variables: what is on a command line, others can read."""

IN_CLUSTER = "http://ml-pipeline.{namespace}.svc.cluster.local:8888"
_SECONDS = 20


@dataclass(frozen=True)
class Access:
    """How to reach the API.

    Attributes:
        host: Its address; may be empty in a cluster.
        namespace: The user's; empty where Kubeflow has one user only.
        kind: How one says who one is: a key of `KINDS`.
        token_file: Where the token is, if it is not in `KUBEFLOW_TOKEN`.
        ca_file: The certificate that signed the host's, if it is not a public one.
    """

    host: str = ""
    namespace: str = ""
    kind: str = "none"
    token_file: Path | None = None
    ca_file: Path | None = None

    @property
    def address(self) -> str:
        """The API's address, without a slash at its end.

        Raises:
            RecipeError: None is given.
        """
        host = self.host
        if not host and self.kind == "in-cluster":
            host = IN_CLUSTER.format(namespace="kubeflow")
        if not host:
            raise RecipeError(
                "where is Kubeflow?",
                expected="--host, or KF_PIPELINES_ENDPOINT, such as https://kubeflow.example.org "
                "or http://localhost:8080 for a forwarded port",
            )
        parts = urlsplit(host if "://" in host else f"https://{host}")
        if "@" in parts.netloc:
            raise RecipeError(
                "an address with a password in it would be shown",
                where=without_password(parts.geturl()),
                hint=f"--auth dex reads {USER} and {PASSWORD}, --auth token {TOKEN}",
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError(
                "this is no address", expected="https://HOST or http://HOST:PORT", received=host
            )
        return parts.geturl().rstrip("/")


def headers(access: Access) -> dict[str, str]:
    """Says who asks, once for a command.

    Args:
        access: How.

    Returns:
        HTTP headers.

    Raises:
        EnvironmentProblem: There is no token, or the login failed.
    """
    return KINDS[access.kind](access)


def _nobody(access: Access) -> dict[str, str]:
    del access
    return {}


def _token(access: Access) -> dict[str, str]:
    if access.token_file is not None:
        return _bearer(access.token_file)
    if not (token := os.environ.get(TOKEN, "").strip()):
        raise EnvironmentProblem("there is no token", hint=f"set {TOKEN}, or give --token-file")
    return {"Authorization": f"Bearer {token}"}


def _in_cluster(access: Access) -> dict[str, str]:
    """What the cluster gives a pod to say who it is; kfp knows where."""
    from kfp.client import client

    given = access.token_file or os.environ.get(client.KF_PIPELINES_SA_TOKEN_ENV)
    return _bearer(Path(given or client.KF_PIPELINES_SA_TOKEN_PATH))


def _bearer(file: Path) -> dict[str, str]:
    try:
        return {"Authorization": f"Bearer {file.read_text(encoding='utf-8').strip()}"}
    except OSError as error:
        raise EnvironmentProblem(
            f"the token cannot be read: {error.strerror}",
            where=str(file),
            hint="in a pod, project a service account token with the audience "
            "pipelines.kubeflow.org; elsewhere use --auth token or --auth dex",
        ) from None


def _dex(access: Access) -> dict[str, str]:
    """Logs in as a browser does: from the host to dex's form, and back with a cookie."""
    missing = [name for name in (USER, PASSWORD) if not os.environ.get(name)]
    if missing:
        raise EnvironmentProblem(f"set {' and '.join(missing)} to log in at dex")
    with requests.Session() as session:
        session.verify = str(access.ca_file) if access.ca_file else True
        try:
            return _logged_in(session, access.address)
        except requests.RequestException as error:
            raise unreachable(access.address, str(error)) from None


def _logged_in(session: requests.Session, address: str) -> dict[str, str]:
    page = session.get(address, timeout=_SECONDS)
    path = urlsplit(page.url).path
    if path.rstrip("/").endswith("/auth"):  # dex asks which directory the user is in
        page = session.get(page.url.replace("/auth", "/auth/local", 1), timeout=_SECONDS)
    if "/auth" not in urlsplit(page.url).path:
        raise EnvironmentProblem(
            "the host does not send one to dex", where=address, hint="try --auth none or token"
        )
    form = {"login": os.environ[USER], "password": os.environ[PASSWORD]}
    answer = session.post(page.url, data=form, timeout=_SECONDS)
    if urlsplit(answer.url).path.rstrip("/").endswith("/approval"):
        answer = session.post(answer.url, data={"approval": "approve"}, timeout=_SECONDS)
    if not answer.history or not session.cookies:
        raise EnvironmentProblem(
            "dex does not know this user, or not this password",
            where=address,
            received=os.environ[USER],
            hint=f"set {USER} and {PASSWORD}",
        )
    return {"Cookie": "; ".join(f"{each.name}={each.value}" for each in session.cookies)}


def unreachable(address: str, why: str) -> EnvironmentProblem:
    """The error for a host that does not answer.

    Args:
        address: The host.
        why: What the network said; its last part is shown.
    """
    return EnvironmentProblem(
        "Kubeflow does not answer",
        where=address,
        received=why.strip().rpartition(": ")[2].strip("()'\" ")[:200],
        hint="is it up, and the address right? A port can be forwarded: "
        "kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80",
    )


KINDS: Mapping[str, Callable[[Access], dict[str, str]]] = {
    "none": _nobody,
    "token": _token,
    "dex": _dex,
    "in-cluster": _in_cluster,
}
