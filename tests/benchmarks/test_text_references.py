"""What texts are held against: probabilities that add up to 1, and the nearest text."""

import itertools

import numpy as np
import pytest

from benchmarks.text_references import NGrams, joined, looked_up

TEXT = "the cat sat on the mat and the rat sat on the cat " * 20


@pytest.mark.parametrize("context", ["", "t", "the ", "he c", "zzzz", "zat "])
@pytest.mark.parametrize("order", [1, 3, 5])
def test_what_may_follow_adds_up_to_one(context: str, order: int) -> None:
    model = NGrams([TEXT], order)
    seen = sum(model.probability(context, sign) for sign in set(TEXT))
    assert seen + model.probability(context, "never") == pytest.approx(1)


def test_longer_contexts_need_fewer_bits_where_they_repeat() -> None:
    bits = [NGrams([TEXT], order).bits([TEXT]) for order in (1, 2, 5)]
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] < 0.5 < 2.5 < bits[0]


def test_a_text_of_chance_needs_what_chance_needs() -> None:
    letters = "".join(np.random.default_rng(0).choice(list("abcd"), 20_000))
    assert NGrams([letters[:10_000]]).bits([letters[10_000:]]) == pytest.approx(2, abs=0.1)


def test_windows_that_follow_one_another_are_one_text() -> None:
    text = "".join(itertools.islice(itertools.cycle("abcdefg"), 40))
    cut = {start: text[start : start + 10] for start in (0, 10, 30)}
    assert joined([cut[30], cut[0], cut[10]], [30, 0, 10]) == [text[:20], text[30:]]


def test_the_most_similar_sentence_is_looked_up() -> None:
    known = [("I am cold.", "J'ai froid."), ("Run!", "Cours !"), ("I am here.", "Je suis là.")]
    assert looked_up(known, ["Run now!", "I am so cold."]) == ["Cours !", "J'ai froid."]
