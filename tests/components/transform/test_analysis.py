"""The order, the limits and the counts of vocabularies, as TFT has them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from trainyard.components.transform import analysis, tft_private


def tokens(*batches, ordering=tft_private.FREQUENCY):
    counted = analysis.Tokens(SimpleNamespace(vocab_ordering_type=ordering))
    for batch in batches:
        counted.add(tuple(np.array(values, object) for values in batch))
    return counted.result()


def pruned(counts, **limits):
    node = {"frequency_threshold": 0, "input_dtype": "string", "top_k": None} | limits
    return analysis._prune(None, SimpleNamespace(**node), counts)[0]


def written(folder, counts, reserved=(), **options):
    node = {
        "fingerprint_shuffle": False,
        "store_frequency": False,
        "input_dtype": "string",
        "file_format": "text",
        "vocab_filename": "words",
    }
    phase = SimpleNamespace(folder=folder)
    (file,) = analysis._write(phase, SimpleNamespace(**node | options), counts, reserved)
    with open(file, "rb") as lines:  # noqa: PTH123
        return lines.read()


def test_tokens_are_counted_over_batches_or_their_weights_summed():
    assert tokens([[b"a", b"b"]], [[b"a"]]) == {b"a": 2, b"b": 1}
    weighted = tokens(
        [[b"a", b"b"], [0.5, 2.0]], [[b"a"], [1.0]], ordering=tft_private.WEIGHTED_FREQUENCY
    )
    assert weighted == {b"a": 1.5, b"b": 2.0}


def test_of_equally_frequent_tokens_the_greater_comes_first(tmp_path):
    counts = [(1, b"a"), (2, b"c"), (1, b"b"), (1, b"ab")]
    assert written(tmp_path, counts) == b"c\nb\nab\na\n"
    assert pruned(counts, top_k=2) == [(2, b"c"), (1, b"b")]


def test_frequency_and_reserved_tokens(tmp_path):
    counts = [(1, b"a"), (2, b"c")]
    found = written(tmp_path, counts, [b"pad", b"a"], store_frequency=True)
    assert found == b"-1 pad\n-1 a\n2 c\n"


def test_a_rare_token_is_left_out_and_a_number_becomes_text():
    assert pruned([(1, 5), (3, -7)], frequency_threshold=2, input_dtype="int64") == [(3, b"-7")]


def test_an_empty_vocabulary_has_one_line_and_counts_as_one(tmp_path):
    dummy = tft_private.vocabulary_or_dummy([], "string")
    assert len(dummy) == 1
    assert pruned([], top_k=3) == dummy
    assert written(tmp_path, []) == dummy[0][1] + b"\n"
    assert analysis._count(None, None, []) == (1,)


def test_mutual_information_is_left_to_stock():
    with pytest.raises(analysis.Unsupported, match="mutual information"):
        tokens(ordering="something else")
