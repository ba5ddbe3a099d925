"""Transformed rows, made once a session."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

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
    def shared(task: str, kind: str, module: str) -> tables.Transformed:
        recipe, rows, types = SOURCES[kind]
        chosen: Recipe = recipe(task, module=module, params={})
        folder = tmp_path_factory.mktemp(task)
        return tables.transform(chosen, folder, rows(300), rows(60, seed=1), types)

    def of(task: str, module: str = "mlp") -> tables.Transformed:
        if task == "text":  # by characters or by words
            return shared(task, "phrases", module)
        made = shared(task, registry.find(module).INPUTS, _first_alike(module))
        recipe = tables.trained_as(made.recipe, module=module, params={})
        return dataclasses.replace(made, recipe=recipe)

    return of


def _first_alike(module: str) -> str:
    """The first of the modules that have their inputs transformed in the same way."""

    def way(name: str) -> tuple[str, Callable[..., Any]]:
        found = registry.find(name)
        return found.INPUTS, found.preprocess

    return next(name for name in registry.names() if way(name) == way(module))
