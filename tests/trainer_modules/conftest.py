"""Transformed rows, made once a session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from tests.trainer_modules import images, measurements, pairs, phrases, sentences, tables
from trainyard.recipe_schema import Recipe
from trainyard.trainer_modules import registry

SOURCES = {
    "table": (tables.recipe, tables.table, tables.TYPES),
    "image": (images.recipe, images.pictures, images.TYPES),
    "pair": (pairs.recipe, pairs.pairs, pairs.TYPES),
    "series": (measurements.recipe, measurements.measurements, measurements.TYPES),
    "text": (sentences.recipe, sentences.sentences, sentences.TYPES),
    "phrases": (phrases.recipe, phrases.phrases, phrases.TYPES),
}


@pytest.fixture(scope="session")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tables.Transformed]:
    """Rows of the kind that a trainer module takes, transformed for a task by it."""

    @cache
    def of(task: str, module: str = "mlp") -> tables.Transformed:
        kind = "phrases" if task == "text" else registry.find(module).INPUTS
        recipe, rows, types = SOURCES[kind]
        chosen: Recipe = recipe(task, module=module, params={})
        folder = tmp_path_factory.mktemp(task)
        return tables.transform(chosen, folder, rows(300), rows(60, seed=1), types)

    return of
