"""What the metadata store knows of artifacts, read without ML Metadata, which would write to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any


def uris(store: Path, ids: Collection[int]) -> dict[int, str]:
    """Finds out where artifacts are: their ids say nothing to a reader.

    Args:
        store: The database.
        ids: Of the artifacts.
    """
    some = ",".join("?" * len(ids))
    return dict(_rows(store, f"SELECT id, uri FROM Artifact WHERE id IN ({some})", sorted(ids)))


def properties(store: Path, uri: str) -> dict[str, str]:
    """Returns an artifact's own properties that are text.

    Args:
        store: The database.
        uri: The artifact's.
    """
    query = """SELECT own.name, own.string_value FROM ArtifactProperty AS own
        JOIN Artifact ON Artifact.id = own.artifact_id
        WHERE uri = ? AND own.is_custom_property AND own.string_value IS NOT NULL"""
    return dict(_rows(store, query, [uri]))


def _rows(store: Path, query: str, values: Sequence[Any]) -> list[Any]:
    if not values or not store.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()
    except sqlite3.Error:
        return []  # a damaged store: the report says less, but it is there
