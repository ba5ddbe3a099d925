"""docs/walkthrough.md, command by command, in one shell."""

from __future__ import annotations

import doctest
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT

PAGE = (ROOT / "docs" / "walkthrough.md").read_text(encoding="utf-8")
DONE = "-- done, exit code"  # between the outputs of two commands
HIDDEN = {"TRAINYARD_HOME"}  # the reader has none


def commands() -> list[tuple[str, str]]:
    """The page's commands, each with what it is said to print."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            found.append((command, printed))
    return found


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def on_free_ports(command: str, grpc: int, rest: int) -> str:
    """The command with other ports than the usual: another server may have those."""
    ports = f"--port {grpc} --rest-api-port {rest}"
    command = re.sub(r"trainyard serve \S+", rf"\g<0> {ports}", command)
    asking = r"trainyard monitor \S+|trainyard status \S+|cells.py ask \d+"
    return re.sub(asking, rf"\g<0> --server http://127.0.0.1:{rest}", command)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each command printed, and its exit code."""
    folder = tmp_path_factory.mktemp("walkthrough")
    (folder / "examples").symlink_to(ROOT / "examples")
    ports = free_ports(2)
    lines = [
        f"{on_free_ports(command, *ports)}\nprintf '\\n{DONE} %s\\n' $?"
        for command, _ in commands()
    ]
    environment = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment["COLUMNS"] = "200"
    ended = subprocess.run(
        ["bash", "-c", "trap 'kill $(jobs -p) 2> /dev/null' EXIT\n" + "\n".join(lines)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    parts = re.split(rf"\n{DONE} (\d+)\n", ended.stdout)
    found = list(zip(parts[::2], map(int, parts[1::2]), strict=False))
    assert len(found) == len(lines), ended.stdout + ended.stderr
    return found, ended.stderr


def test_the_page_tells_the_whole_story():
    told = " ".join(command for command, _ in commands())
    for step in ("run", "serve", "monitor", "retrain", "canary", "models rollback", "status"):
        assert f"trainyard {step}" in told


@pytest.mark.parametrize("number", range(len(commands())), ids=[each for each, _ in commands()])
def test_a_command_prints_what_the_page_says(printed, number):
    command, wanted = commands()[number]
    (found, code), errors = printed[0][number], printed[1]
    assert code == 0, f"{command}\n{found}\n{errors}"
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    same = doctest.OutputChecker().check_output(wanted, found, flags)
    assert same, f"wanted:\n{wanted}\nfound:\n{found}\n{errors}"
