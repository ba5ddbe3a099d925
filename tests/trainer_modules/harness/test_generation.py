"""Generation loops, on a network that is a table of what follows each token."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainyard.trainer_modules.harness import generation
from trainyard.trainer_modules.harness.generation import Sampling, beam_search, sample

END, A, B, C = 2, 4, 5, 6
VOCABULARY = 7
NEVER = tf.constant([True, True, False, True, False, False, False])


class Chain:
    """The next token depends on the last one, and on how many were written.

    Args:
        following: Probabilities `[V, V]`: of each token, what follows it.
    """

    def __init__(self, following: Any) -> None:
        self.logits = tf.math.log(tf.constant(following, tf.float32) + 1e-9)

    def begin(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, Any]:
        first = inputs["first"]
        return first, {"seen": tf.zeros_like(first)}

    def step(self, tokens: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        return tf.gather(self.logits, tokens), {"seen": state["seen"] + 1}


def _chain(**rows: list[float]) -> Chain:
    """Shares of the tokens END, A, B, C after A, B and C."""
    following = np.full((VOCABULARY, VOCABULARY), 1 / VOCABULARY)
    for name, shares in rows.items():
        following[{"A": A, "B": B, "C": C}[name]] = 0
        following[{"A": A, "B": B, "C": C}[name]][[END, A, B, C]] = shares
    return Chain(following)


CYCLE = _chain(A=[0, 0.1, 0.8, 0.1], B=[0, 0.1, 0.2, 0.7], C=[0.6, 0.2, 0.1, 0.1])


def test_without_a_temperature_the_most_probable_token_is_written_up_to_the_end() -> None:
    written = sample(CYCLE, {"first": tf.constant([A, C, B], tf.int64)}, 5, NEVER)
    np.testing.assert_array_equal(written, [[B, C, END], [END, 0, 0], [C, END, 0]])


def test_a_text_has_at_most_the_length_asked_for() -> None:
    endless = _chain(A=[0, 1, 0, 0])
    written = sample(endless, {"first": tf.constant([A], tf.int64)}, 4, NEVER)
    np.testing.assert_array_equal(written, [[A, A, A, A]])


@pytest.mark.parametrize("function", ["sample", "beams"])
def test_no_token_that_is_ruled_out_is_written(function: str) -> None:
    shares = np.zeros((VOCABULARY, VOCABULARY))
    shares[:, 3], shares[:, C] = 0.9, 0.1
    first = {"first": tf.constant([A], tf.int64)}
    if function == "sample":
        written = sample(Chain(shares), first, 20, NEVER, Sampling(temperature=1.0))
    else:
        written = beam_search(Chain(shares), first, 20, NEVER, 2)
    assert set(np.ravel(written)) == {C}


def _drawn(**options: Any) -> np.ndarray[Any, Any]:
    """Shares of END, A, B, C among many tokens drawn after A."""
    chain = _chain(A=[0.1, 0.2, 0.3, 0.4])
    first = {"first": tf.fill([20_000], tf.constant(A, tf.int64))}
    written = sample(chain, first, 1, NEVER, Sampling(seed=5, **options))
    return np.bincount(np.ravel(written), minlength=VOCABULARY)[[END, A, B, C]] / 20_000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"temperature": 1.0}, [0.1, 0.2, 0.3, 0.4]),
        ({"temperature": 0.5}, np.square([0.1, 0.2, 0.3, 0.4]) / 0.3),
        ({"temperature": 1.0, "top_k": 2}, [0, 0, 3 / 7, 4 / 7]),
        ({"temperature": 1.0, "top_k": 100}, [0.1, 0.2, 0.3, 0.4]),
        ({"temperature": 1.0, "top_p": 0.65}, [0, 0, 3 / 7, 4 / 7]),
        ({"temperature": 1.0, "top_p": 0.75}, [0, 2 / 9, 3 / 9, 4 / 9]),
        ({"temperature": 1.0, "top_p": 1e-6}, [0, 0, 0, 1]),
        ({"temperature": 1.0, "top_k": 3, "top_p": 0.5}, [0, 0, 3 / 7, 4 / 7]),
        ({"temperature": 0.0, "top_k": 2}, [0, 0, 0, 1]),
    ],
)
def test_tokens_are_drawn_with_their_shares(options: dict[str, Any], expected: Any) -> None:
    np.testing.assert_allclose(_drawn(**options), expected, atol=0.012)


def test_a_seed_decides_the_text() -> None:
    first = {"first": tf.constant([A, A], tf.int64)}
    one, again, other = (
        sample(CYCLE, first, 30, NEVER, Sampling(1.0, seed=seed)).numpy() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert one.shape != other.shape or (one != other).any()
    assert (one[0] != one[1]).any()


def _penalized(likelihood: float, tokens: int) -> float:
    return likelihood / ((5 + tokens) / 6) ** generation.LENGTH_PENALTY


def _exhaustive(chain: Chain, first: int, length: int) -> list[int]:
    """The best of all texts there are."""
    logits = np.where(NEVER, -np.inf, chain.logits.numpy())
    shares = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    ranks: dict[tuple[int, ...], float] = {}
    for letters in itertools.product([A, B, C, END], repeat=length):
        end = letters.index(END) + 1 if END in letters else length
        text = letters[:end]
        pairs = zip((first, *text), text, strict=False)
        ranks[text] = _penalized(sum(shares[pair] for pair in pairs), len(text))
    best = max(ranks, key=lambda text: ranks[text])
    return [*best, *[0] * (length - len(best))]


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_that_holds_all_texts_finds_the_best(seed: int) -> None:
    shares = np.random.default_rng(seed).dirichlet(np.full(VOCABULARY, 0.5), VOCABULARY)
    chain = Chain(shares)
    first = {"first": tf.constant([A, B], tf.int64)}
    found = beam_search(chain, first, 4, NEVER, 4**4).numpy()
    padded = np.pad(found, [(0, 0), (0, 4 - found.shape[1])])
    np.testing.assert_array_equal(padded, [_exhaustive(chain, f, 4) for f in (A, B)])


def test_a_beam_finds_what_the_most_probable_token_misses() -> None:
    # After A most go to B, but there is no good way on; after C there is.
    chain = _chain(A=[0, 0, 0.6, 0.4], B=[0.25, 0.25, 0.25, 0.25], C=[0.98, 0.01, 0.01, 0])
    first = {"first": tf.constant([A], tf.int64)}
    assert sample(chain, first, 3, NEVER)[0, 0] == B
    np.testing.assert_array_equal(beam_search(chain, first, 3, NEVER, 3)[0, :2], [C, END])


def test_one_candidate_is_the_most_probable_token_each_time() -> None:
    first = {"first": tf.constant([A, C, B], tf.int64)}
    np.testing.assert_array_equal(
        beam_search(CYCLE, first, 5, NEVER, 1), sample(CYCLE, first, 5, NEVER)
    )


def test_loops_run_inside_a_graph_with_options_that_are_tensors() -> None:
    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.float32),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def both(first: Any, length: Any, temperature: Any, width: Any) -> Any:
        inputs = {"first": first}
        options = Sampling(temperature, top_k=tf.constant(2), top_p=tf.constant(0.9), seed=length)
        return (
            sample(CYCLE, inputs, length, NEVER, options),
            beam_search(CYCLE, inputs, length, NEVER, width),
        )

    first = tf.constant([A, B], tf.int64)
    drawn, best = both(first, 6, 0.0, 3)
    np.testing.assert_array_equal(drawn, [[B, C, END], [C, END, 0]])
    np.testing.assert_array_equal(best, beam_search(CYCLE, {"first": first}, 6, NEVER, 3))
