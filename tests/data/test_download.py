"""Downloads against a real server on this machine."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from trainyard import progress
from trainyard.data import download as module
from trainyard.data.download import download
from trainyard.errors import DataError, EnvironmentProblem

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; cuts the first `cuts` answers off, and notes the ranges asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts, self.ranges, self.has_ranges, self.failures = 0, [], True, 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data.csv"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        if self.server.failures:
            self.server.failures -= 1
            return self.send_error(503)
        if self.path != "/data.csv":
            return self.send_error(404)
        start = self._start()
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.end_headers()
            return None
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        body = CONTENT[start:]
        if self.server.cuts:
            self.server.cuts -= 1
            body = body[: len(body) // 3]
        self.wfile.write(body)
        return None

    def _start(self) -> int:
        match = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        return int(match[1]) if match and self.server.has_ranges else 0

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=partial(running.serve_forever, 0.02), daemon=True).start()
        yield running
        running.shutdown()


def fetched(address: str, folder: Path, sha256: str | None = SHA256) -> bytes:
    download(address, folder / "sub" / "data.csv", sha256, pause=0)
    assert [path.name for path in (folder / "sub").iterdir()] == ["data.csv"]
    return (folder / "sub" / "data.csv").read_bytes()


def resumed_from(server: Server) -> int:
    return int(re.fullmatch(r"bytes=(\d+)-", server.ranges[1])[1])


@pytest.mark.parametrize("sha256", [SHA256, None])
def test_whole(server, tmp_path, sha256):
    said = []
    with progress.listening(lambda text, fraction: said.append((text, fraction))):
        assert fetched(server.address, tmp_path, sha256) == CONTENT
    assert said[-1] == ("data.csv: 1.0 MB", 1.0)
    assert server.ranges == [None]


def test_goes_on_after_a_cut(server, tmp_path):
    server.cuts = 2
    assert fetched(server.address, tmp_path) == CONTENT
    assert server.ranges[0] is None
    assert 0 < resumed_from(server) <= len(CONTENT) // 3
    assert len(server.ranges) == 3


def test_goes_on_where_an_earlier_call_was_cut(server, tmp_path, monkeypatch):
    server.cuts = 1
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    with pytest.raises(EnvironmentProblem, match="cut"):
        fetched(server.address, tmp_path)
    assert fetched(server.address, tmp_path) == CONTENT
    assert 0 < resumed_from(server) <= len(CONTENT) // 3


def test_starts_anew_if_the_server_knows_no_ranges(server, tmp_path):
    server.cuts, server.has_ranges = 1, False
    assert fetched(server.address, tmp_path) == CONTENT


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"more"])
def test_a_part_that_is_whole_or_too_long(server, tmp_path, left):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "data.csv.part").write_bytes(left)
    assert fetched(server.address, tmp_path) == CONTENT


def test_a_server_that_is_busy_for_a_moment(server, tmp_path):
    server.failures = 2
    assert fetched(server.address, tmp_path) == CONTENT


def test_wrong_digest_leaves_nothing(server, tmp_path):
    with pytest.raises(DataError, match=SHA256):
        fetched(server.address, tmp_path, "0" * 64)
    assert list((tmp_path / "sub").iterdir()) == []


def test_not_found_is_asked_once(server, tmp_path):
    with pytest.raises(EnvironmentProblem, match="404"):
        fetched(server.address + "x", tmp_path)
    assert len(server.ranges) == 1


def test_no_connection_says_what_to_do_by_hand(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/data.csv"
        with pytest.raises(EnvironmentProblem) as caught:
            fetched(address, tmp_path)
    assert "no connection" in caught.value.message
    assert str(tmp_path / "sub" / "data.csv") in caught.value.hint


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "sub").write_text("a file")
    with pytest.raises(EnvironmentProblem, match="TRAINYARD_DATA_HOME"):
        download(server.address, tmp_path / "sub" / "data.csv", SHA256)
