from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from trainyard.serving.monitor.reference import Builder

KINDS = {"fare": "number", "hour": "category", "kind": "category"}


@pytest.fixture
def chance():
    return np.random.default_rng(17)


def columns(chance, rows, *, moved=0.0, cards=0.5, missing=0.0, new=0.0):
    """Fares, hours and how they were paid, all as the monitor reads them."""
    fares = chance.gamma(3.0, 4.0, rows).astype(np.float32) * np.float32(1 + moved)
    kinds = np.where(chance.random(rows) < cards, b"card", b"cash").astype(object)
    kinds[chance.random(rows) < new] = b"voucher"
    return {
        "fare": pa.array(fares, mask=chance.random(rows) < missing),
        "hour": pa.array(chance.integers(0, 24, rows)),
        "kind": pa.array(kinds.tolist(), pa.binary()),
    }


@pytest.fixture
def reference(chance):
    builder = Builder(KINDS, 2000)
    for _ in range(3):
        builder.trained_on(columns(chance, 1500))
    return builder.reference()
