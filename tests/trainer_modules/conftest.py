"""Transformed tables, made once a session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from tests.trainer_modules.tables import TYPES, Transformed, recipe, table, transform


@pytest.fixture(scope="session")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Transformed]:
    """The table, transformed for a task by a trainer module."""

    @cache
    def of(task: str, module: str = "mlp") -> Transformed:
        chosen = recipe(task, module=module, params={})
        folder = tmp_path_factory.mktemp(task)
        return transform(chosen, folder, table(300), table(60, seed=1), TYPES)

    return of
