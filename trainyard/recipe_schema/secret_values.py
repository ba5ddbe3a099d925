"""Secrets in a recipe: named by reference, read where they are used, shown nowhere.

`${env:NAME}` is an environment variable, `${file:PATH}` the content of a file. A recipe keeps
the reference; its value is read as late as possible and kept out of records, logs and errors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from trainyard.errors import RecipeError

HIDDEN = "***"
KEYS = frozenset({"webhook", "beam_options"})
"""Recipe keys whose values an error must not repeat."""

_REFERENCE = re.compile(r"\$\{(env|file):([^{}]+)\}")
_SYNTAX = "a reference is `${env:NAME}` or `${file:PATH}`"
_URL = re.compile(r"https?://\S+")
_SECRET_OPTION = re.compile(
    r"--[^=]*(password|passwd|secret|token|credential|api_?key|access_key)[^=]*=.+|.*://[^/@]+:[^/@]+@",
    re.IGNORECASE,
)
_SHORTEST = 4  # what is shorter is no secret, and may stand anywhere in a log
_read: dict[str, str] = {}
"""The values that this process has read, each with its reference."""


def check_syntax(text: str) -> str:
    """Returns the text if whatever looks like a reference is one.

    Args:
        text: A recipe's value.

    Raises:
        ValueError: It has `${` that begins no reference.
    """
    if "${" in _REFERENCE.sub("", text):
        raise ValueError(_SYNTAX)
    return text


def check_option(text: str) -> str:
    """Returns an option of another program if it holds no secret but by reference.

    Args:
        text: Such as `--name=value`.

    Raises:
        ValueError: It looks like a secret, or has `${` that begins no reference.
    """
    if _SECRET_OPTION.match(check_syntax(text)) and not _REFERENCE.search(text):
        name = text.split("=", 1)[0] if text.startswith("--") else "a URL with a password"
        raise ValueError(
            f"{name} is a secret, which records and logs would show: in place of its value "
            "give `${env:NAME}` or `${file:PATH}`"
        )
    return text


def with_whole_paths(text: str, folder: Path) -> str:
    """Makes the paths of file references absolute.

    Args:
        text: A recipe's value.
        folder: The recipe's.
    """

    def whole(found: re.Match[str]) -> str:
        return f"${{file:{folder / found[2]}}}" if found[1] == "file" else found[0]

    return _REFERENCE.sub(whole, text)


def resolve(text: str, key: str) -> str:
    """Puts values in the place of references.

    Args:
        text: A recipe's value.
        key: Its key in the recipe, for the error.

    Raises:
        RecipeError: A variable or file is missing or empty.
    """
    return _REFERENCE.sub(lambda found: _value(found, key), text)


def _value(found: re.Match[str], key: str) -> str:
    kind, name = found[1], found[2]
    problem = "is not set or is empty"
    try:
        value = os.environ.get(name, "") if kind == "env" else _content(Path(name))
    except (OSError, UnicodeDecodeError) as error:
        value, problem = "", f"cannot be read: {getattr(error, 'strerror', '') or 'not UTF-8'}"
    if not value:
        thing = "environment variable" if kind == "env" else "file"
        raise RecipeError(
            f"the secret {found[0]} is missing: the {thing} {name!r} {problem}",
            where=key,
            hint=f"set it where this command runs: export {name}=..."
            if kind == "env"
            else "write the secret, and nothing else, into that file",
        )
    if len(value) >= _SHORTEST:
        _read[value] = found[0]
    return value


def _content(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()


def hide(text: str) -> str:
    """Puts references back in the place of values that this process has read.

    Args:
        text: Such as a log, which another library may have written a value to.
    """
    for value in sorted(_read, key=len, reverse=True):
        text = text.replace(value, _read[value])
    return text


def hide_in_file(file: Path) -> None:
    """Does as `hide` with a file, which is only written if it has to be."""
    if not _read or not file.is_file():
        return
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    if (hidden := hide(text)) != text:
        file.write_text(hidden, encoding="utf-8", errors="surrogateescape")


def missing(texts: Iterable[str], key: str) -> list[str]:
    """Says which secrets cannot be read here.

    Args:
        texts: A recipe's values.
        key: Their key in the recipe.
    """
    found = []
    for text in texts:
        try:
            resolve(text, key)
        except RecipeError as error:
            found.append(error.message)
    return found


def host(url: str) -> str:
    """A URL as it may be shown: scheme, host and port; no user, path or query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def without_password(url: str) -> str:
    """A URL without the user and the password in it, if it has them."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return parts._replace(netloc=f"{HIDDEN}@{parts.netloc.rpartition('@')[2]}").geturl()


class SecretUrl:
    """A URL whose path may be the key to it, such as a chat's webhook.

    As text, in records and on pages it is its host or its reference, never its value.

    Args:
        text: `http://` or `https://`, in part or as a whole by reference.

    Raises:
        ValueError: It is neither.
    """

    def __init__(self, text: str) -> None:
        if not _URL.fullmatch(_REFERENCE.sub("x", text)) and not _REFERENCE.match(text):
            raise ValueError(f"an address, http:// or https://, or a reference to one: {_SYNTAX}")
        self._text = check_syntax(text)

    @property
    def reference(self) -> bool:
        """Whether what is secret in it is named by reference."""
        return _REFERENCE.search(self._text) is not None

    @property
    def literal_secret(self) -> bool:
        """Whether the recipe says more of it than where the host is."""
        return not self.reference and self._text.rstrip("/") != host(self._text)

    def missing(self, key: str) -> list[str]:
        """Says which of its secrets cannot be read here.

        Args:
            key: Its key in the recipe.
        """
        return missing([self._text], key)

    def value(self, key: str) -> str:
        """Reads the address.

        Args:
            key: Its key in the recipe, for the error.

        Raises:
            RecipeError: A secret is missing, or is no address.
        """
        address = resolve(self._text, key)
        if not _URL.fullmatch(address):
            raise RecipeError(
                f"the value of {self._text} is not an address",
                where=key,
                expected="http://HOST/... or https://HOST/...",
            )
        return address

    def with_whole_paths(self, folder: Path) -> SecretUrl:
        """Returns it with the paths of file references absolute.

        Args:
            folder: The recipe's.
        """
        return SecretUrl(with_whole_paths(self._text, folder))

    def __str__(self) -> str:
        return f"{host(self._text)}/{HIDDEN}" if self.literal_secret else self._text

    def __repr__(self) -> str:
        return repr(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                str, return_schema=core_schema.str_schema()
            ),
        )
