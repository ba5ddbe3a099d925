"""How far two sets of a model's answers are apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from trainyard.serving.monitor import two_samples
from trainyard.serving.monitor.two_samples import Apart, Array


def prediction_drift(
    reference: Mapping[str, Array], window: Mapping[str, Array]
) -> dict[str, Apart]:
    """Compares what one model answered with what another did, or the same one later.

    Args:
        reference: Answers by output: numbers `(m,)` or `(m, 1)`, probabilities of classes
            `(m, classes)`, or texts, objects `(m,)` or `(m, 1)`.
        window: Likewise; outputs that only one side has are left out.

    Returns:
        By output the distance, 0 to 1, and its p-value. Numbers: Kolmogorov and Smirnov's.
        Classes: the largest change of a class's share, and under `OUTPUT (confidence)` how far
        the largest probabilities are apart. Texts: under `OUTPUT (length)` how long they are.
    """
    return {
        name: apart
        for output in reference
        if output in window
        for name, apart in _of_output(output, reference[output], window[output])
    }


def _of_output(name: str, reference: Array, window: Array) -> Iterator[tuple[str, Apart]]:
    reference, window = (_single(array) for array in (reference, window))
    if reference.ndim > 1:
        classes = [Counter(array.argmax(axis=1).tolist()) for array in (reference, window)]
        yield name, two_samples.categories(*classes)
        most = [array.max(axis=1, initial=0.0) for array in (reference, window)]
        yield f"{name} (confidence)", two_samples.numbers(*most)
    elif reference.dtype == object:
        lengths = [np.array([len(text) for text in array]) for array in (reference, window)]
        yield f"{name} (length)", two_samples.numbers(*lengths)
    else:
        yield name, two_samples.numbers(reference, window)


def _single(array: Array) -> Array:
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
