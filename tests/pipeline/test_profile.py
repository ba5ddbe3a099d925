"""What `trainyard profile` makes of its measurements."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.trainer_modules.tables import recipe
from trainyard.pipeline import profile
from trainyard.trainer_modules.harness.profiling import Profile

MEASURED = Profile(
    rows=64,
    input=0.010,
    compute=0.010,
    training=0.010,
    first_batch=1.0,
    held=True,
    devices=("CPU",),
    cores=2,
    step_jit=False,
    trace=Path("trace"),
)


def said(trainer=None, **measured) -> str:
    chosen = recipe(**(trainer or {}))
    return "\n".join(profile.sentences(dataclasses.replace(MEASURED, **measured), chosen))


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ({}, "Balanced: a batch takes 10.00 ms to make and 10.00 ms to train on."),
        ({"input": 0.020, "training": 0.020}, "Input-bound"),
        ({"input": 0.020, "training": 0.020, "held": False}, "read from its files"),
        ({"compute": 0.020, "training": 0.020}, "Compute-bound"),
        ({"compute": 0.020, "training": 0.020}, "no GPU"),
        ({"compute": 0.020, "training": 0.020, "devices": ("CPU", "GPU")}, "mixed_bfloat16"),
        ({"compute": 0.020, "training": 0.020, "devices": ("CPU", "GPU")}, "jit_compile"),
        ({"compute": 0.001}, "steps_per_execution"),
        ({"training": 0.020}, "Training reaches 50 % of the slower of the two."),
        ({"training": 0.020}, "share 2 processor core(s)"),
        ({}, "trace: trace"),
    ],
)
def test_the_bound_and_the_advice(measured, words):
    assert words in said(**measured)


def test_advice_is_not_given_twice():
    fast = {"compute": 0.020, "training": 0.020, "devices": ("GPU",), "step_jit": True}
    text = said({"precision": "mixed_bfloat16", "steps_per_execution": 10}, **fast)
    for word in ("mixed_bfloat16", "jit_compile", "steps_per_execution", "no GPU"):
        assert word not in text
