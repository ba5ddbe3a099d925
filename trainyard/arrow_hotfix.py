"""Closes CVE-2023-47248: opening a Parquet or Arrow file must not run code that stands in it.

The pyarrow that TFX 1.16 pins unpickles columns of the type `arrow.py_extension_type`.
pyarrow-hotfix has it raise instead, for every reader in the process. Importing it imports
pyarrow, a third of a second that `trainyard --help` does not have: so it is applied as part
of the first import of pyarrow, whoever that is.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

EXTENSION = "arrow.py_extension_type"
"""Arrow's name for the type whose values are unpickled."""


def install() -> None:
    """Applies the hotfix now if pyarrow is imported already, else right after it is."""
    if "pyarrow" in sys.modules:
        importlib.import_module("pyarrow_hotfix")
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds pyarrow as Python would, and gives it a loader that applies the hotfix."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "pyarrow" else None
        if spec and spec.loader:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        importlib.import_module("pyarrow_hotfix")

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)  # what the real loader knows, such as resources
