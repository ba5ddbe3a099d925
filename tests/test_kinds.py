"""What raw columns hold, and how classes are named after their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainyard import kinds


@pytest.mark.parametrize(
    ("value", "kind", "name", "label"),
    [
        (2, "integer", "2", 2),
        (1, "boolean", "True", True),
        (0, "boolean", "False", False),
        (b"False", "boolean", "False", False),  # as a curated schema has it
        (np.float32(0.1), "float", "0.1", 0.1),
        (np.float32(1e10), "float", "10000000000", 1e10),
        (b"0007", "text", "0007", "0007"),
        (b"2026-11-28", "date", "2026-11-28", "2026-11-28"),
        (7, None, "7", "7"),  # an earlier Trainyard's model
    ],
)
def test_a_class_is_named_after_its_value_and_back(
    value: Any, kind: Any, name: str, label: Any
) -> None:
    assert kinds.class_name(value, kind) == name
    found = kinds.label_of(name, kind)
    assert (found, type(found)) == (label, type(label))


def test_kinds_are_handed_on_with_the_graph(tmp_path: Path) -> None:
    examples, graph = tmp_path / "examples", tmp_path / "graph"
    examples.mkdir()
    graph.mkdir()
    kinds.hand_on(examples, graph)
    assert kinds.read(graph) == {}  # those of an earlier Trainyard
    kinds.write(examples, {"flag": "boolean"})
    kinds.hand_on(examples, graph)
    assert kinds.read(graph) == {"flag": "boolean"}
