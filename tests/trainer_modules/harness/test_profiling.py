"""What is slow is measured as slow."""

from __future__ import annotations

import time

import pytest
import tensorflow as tf

from trainyard.trainer_modules import mlp
from trainyard.trainer_modules.harness import inputs, profiling


def slow_batches(seconds: float):
    """A module's `make_dataset` that takes its time over each batch."""

    def make_dataset(params, spec, examples, epochs):
        def wait(rows):
            time.sleep(seconds)
            return rows

        made = inputs.make_dataset(params, spec, examples, epochs)

        def delayed(x, y):
            late = tf.py_function(wait, [y], y.dtype)
            late.set_shape(y.shape)
            return x, late

        return made.map(delayed)

    return make_dataset


@pytest.mark.parametrize("seconds", [0.0, 0.03])
def test_what_is_slow_is_measured_as_slow(seconds, transformed, tmp_path, monkeypatch):
    if seconds:
        monkeypatch.setattr(mlp, "make_dataset", slow_batches(seconds), raising=False)
    args = transformed("binary").fn_args(tmp_path / "run", early_stopping=None)
    measured = profiling.measure(args, 0.5)
    assert measured.rows == 32
    assert (measured.input > seconds) and (measured.input < seconds + 0.03)
    assert 0 < measured.compute < 0.05
    # A batch or two of an epoch's ten are made while the epoch before is validated.
    assert measured.training > 0.7 * seconds
    if seconds:
        assert measured.input > measured.compute
    assert list(measured.trace.rglob("*.xplane.pb")), "TensorBoard reads this"
    assert not (tmp_path / "run" / "Format-Serving").exists()
