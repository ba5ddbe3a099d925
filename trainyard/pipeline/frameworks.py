"""Imports TensorFlow, Keras, Beam and TFX without what a run on one machine never calls.

Together they import cloud clients, Kubernetes, plotting and scikit-learn, and the
interpreter looks for garbage among their modules again and again: a third of the
start. Both lists are of the versions that requirements.lock pins.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

from trainyard.pipeline import quiet

ON_USE = frozenset(
    {
        "googleapiclient.discovery",
        "keras._tf_keras",  # each name of Keras once more
        "keras.src.visualization",  # matplotlib.pyplot
        "keras.visualization",
        "keras.wrappers",  # scikit-learn
        "tfx.components.infra_validator.model_server_runners.kubernetes_runner",
    }
)
"""Loaded when someone asks them for something; nothing is missing."""

OPTIONAL = frozenset({"apache_beam.io.gcp", "google.api_core"})
"""Not there for Beam and TensorFlow, as if their Google Cloud extras were not installed."""


@contextmanager
def loading(*, cloud: bool) -> Iterator[None]:
    """Makes imports within faster and quiet.

    Args:
        cloud: Whether Beam may have to reach Google Cloud.
    """
    quiet.before_imports()
    finder = _Finder(frozenset() if cloud else OPTIONAL)
    sys.meta_path.insert(0, finder)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # modules stay: no collection needs to visit them again
        gc.enable()
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    def __init__(self, absent: frozenset[str]) -> None:
        self._absent = absent

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self._absent:
            raise ModuleNotFoundError(f"{name} is left out of a local run", name=name)
        spec = PathFinder.find_spec(name, path, target) if name in ON_USE else None
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec
