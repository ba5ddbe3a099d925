"""A download that goes on where it was cut, is verified, and appears whole or not at all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from trainyard import progress
from trainyard.data import homes
from trainyard.errors import DataError, EnvironmentProblem

if TYPE_CHECKING:
    import requests

ATTEMPTS = 4
TIMEOUT = (10, 60)  # seconds to connect, seconds between bytes
_CHUNK = 1 << 16


def download(address: str, target: Path, digest: str | None, pause: float = 1.0) -> None:
    """Fetches a file.

    What has arrived waits beside the target as `NAME.part`, and the next
    attempt, in this call or a later one, asks the server for the rest only.

    Args:
        address: http or https.
        target: Where the file is to stand; its folder is made.
        digest: SHA-256 or MD5, in hexadecimal; None if it is not known.
        pause: Seconds before the second attempt; doubled for each one after.

    Raises:
        EnvironmentProblem: The server cannot be reached or has not got the file, or
            the folder is not writable.
        DataError: What came has another digest.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(address, target, part, pause)
        _check(address, part, digest)
        part.replace(target)
    except OSError as error:
        raise homes.not_writable(target.parent, error) from None


def _fetch(address: str, target: Path, part: Path, pause: float) -> None:
    import requests

    for attempt in range(ATTEMPTS):
        try:
            if _append_rest(address, part):
                return
            problem = "the connection was cut"
        except requests.RequestException as error:
            problem = _in_short(error)
            if _is_final(error):
                break
        if attempt + 1 < ATTEMPTS:
            progress.report(f"{target.name}: {problem}, trying again")
            time.sleep(pause * 2**attempt)
    raise EnvironmentProblem(
        f"{target.name} cannot be fetched: {problem}",
        where=address,
        hint=f"check the network and run again; or fetch it by hand from {address} "
        f"and put it at {target}",
    )


def _append_rest(address: str, part: Path) -> bool:
    """Appends what is missing; returns whether the file is now as long as the server says."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    # Compressed transfer would make the ranges those of the compressed bytes.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if have and response.status_code == requests.codes.requested_range_not_satisfiable:
            whole = response.headers.get("Content-Range") == f"bytes */{have}"
            if not whole:
                part.unlink()
            return whole
        response.raise_for_status()
        resumed = response.status_code == requests.codes.partial_content
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        _write(response, part, have, total)
    return total is None or part.stat().st_size == total


def _write(response: requests.Response, part: Path, have: int, total: int | None) -> None:
    with part.open("ab" if have else "wb") as stream:
        for chunk in response.iter_content(_CHUNK):
            stream.write(chunk)
            have += len(chunk)
            name = part.name.removesuffix(".part")
            progress.report(f"{name}: {have / 1e6:.1f} MB", have / total if total else None)


def _is_final(error: requests.RequestException) -> bool:
    """Whether another attempt cannot help: the address is wrong or access refused."""
    import requests

    invalid = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)
    status = error.response.status_code if error.response is not None else 0
    return isinstance(error, invalid) or (400 <= status < 500 and status not in (408, 429))


def _in_short(error: requests.RequestException) -> str:
    import requests

    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    words = {
        requests.ConnectTimeout: "the server does not answer",
        requests.ReadTimeout: "the server stopped sending",
        requests.exceptions.ChunkedEncodingError: "the connection was cut",
        requests.ConnectionError: "there is no connection to the server",
    }
    return next((text for kind, text in words.items() if isinstance(error, kind)), str(error))


def _check(address: str, part: Path, digest: str | None) -> None:
    if digest is None:
        return
    kind = homes.kind_of(digest)
    found, size = homes.digest(part, kind), part.stat().st_size
    if found != digest:
        part.unlink()
        raise DataError(
            "the downloaded file is not the one that Trainyard knows",
            where=address,
            expected=f"{kind} {digest}",
            received=f"{kind} {found} ({size:,} bytes)",
            hint="run again; if it stays so, the publisher has changed the file: "
            "give your own copy in `data.path`",
        )
