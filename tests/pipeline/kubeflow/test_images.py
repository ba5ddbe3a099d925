"""Whether a registry has an image, asked over HTTP."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trainyard.errors import RecipeError
from trainyard.pipeline.kubeflow import images


@pytest.fixture
def registry():
    """A registry that wants a token from whoever reads, and has one image."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            if "closed" in self.path:
                self.send_response(403)
            elif self.headers.get("Authorization") != "Bearer anybody":
                realm = f"http://{self.headers['Host']}/token"
                self.send_response(401)
                self.send_header(
                    "WWW-Authenticate", f'Bearer realm="{realm}",service="r",scope="s"'
                )
            else:
                there = self.path == "/v2/team/trainyard/manifests/abc"
                self.send_response(200 if there else 404)
            self.end_headers()

        def do_GET(self):
            assert self.path == "/token?service=r&scope=s"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"token": "anybody"}).encode())

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_image_that_is_there(registry):
    assert images.check(f"{registry}/team/trainyard:abc") == ""


def test_an_image_that_is_not_there_is_told(registry):
    with pytest.raises(RecipeError, match="there is no image") as caught:
        images.check(f"{registry}/team/trainyard:abd")
    assert caught.value.where == "kubeflow.image"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("trainyard:latest", "only the cluster knows it"),
        ("team/trainyard", "only the cluster knows it"),
        ("127.0.0.1:1/team/trainyard:a", "does not answer from here"),
        ("{registry}/closed/trainyard:a", "answers 403"),
    ],
)
def test_what_cannot_be_known_is_said(registry, name, reason):
    assert reason in images.check(name.format(registry=registry))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("r.org/a/b:1", ("r.org", "a/b", "1")),
        ("r.org:5000/a", ("r.org:5000", "a", "latest")),
        ("localhost/a:x", ("localhost", "a", "x")),
        ("r.org/a@sha256:0f", ("r.org", "a", "sha256:0f")),
        ("r.org/a:1@sha256:0f", ("r.org", "a", "sha256:0f")),
    ],
)
def test_names(name, parts):
    assert images.Image.of(name) == parts
