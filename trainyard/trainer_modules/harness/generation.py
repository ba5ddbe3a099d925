"""Text, token by token, in TensorFlow loops that keep the network's state between the steps.

Sampling: top-k by Fan, Lewis and Dauphin, Hierarchical Neural Story Generation, 2018
(https://arxiv.org/abs/1805.04833); top-p by Holtzman et al., The Curious Case of Neural
Text Degeneration, 2020 (https://arxiv.org/abs/1904.09751). Beam search with the length
penalty of Wu et al., Google's Neural Machine Translation System, 2016
(https://arxiv.org/abs/1609.08144).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from trainyard.trainer_modules.harness.texts import END, PADDING

LENGTH_PENALTY = 0.6
"""Power of the length by which a beam's log-probability is divided; 0 favours short texts."""

State = Any
"""Nested tensors, each `[B, ...]`."""


class Decoder(Protocol):
    """A network that says which token comes next."""

    def begin(self, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, State]:
        """Reads the model's inputs.

        Returns:
            The token that comes before the first one to write, int64 `[B]`, and the state.
        """

    def step(self, tokens: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Reads one token more, int64 `[B]`.

        Returns:
            Logits of the next one, `[B, V]`, and the state.
        """


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn; numbers, or scalar tensors.

    Attributes:
        temperature: Divides the logits; at 0 the most probable token is taken.
        top_k: Only so many most probable tokens; 0: all.
        top_p: Only the most probable tokens that together have this share, 1: all.
        seed: The same one gives the same text.
    """

    temperature: Any = 0.0
    top_k: Any = 0
    top_p: Any = 1.0
    seed: Any = 0


def sample(
    decoder: Decoder,
    inputs: Mapping[str, tf.Tensor],
    length: int | tf.Tensor,
    never: Any,
    sampling: Sampling | None = None,
) -> tf.Tensor:
    """Writes one text a row.

    Args:
        decoder: Says which token comes next.
        inputs: Of the model, `[B, ...]`.
        length: Tokens at most.
        never: Which tokens are not written, boolean `[V]`.
        sampling: How tokens are drawn; if None, the most probable are taken.

    Returns:
        int64 `[B, T]`, T at most `length`; `PADDING` follows an `END`.
    """
    first, state = decoder.begin(inputs)
    chosen = sampling or Sampling()

    def going_on(step: tf.Tensor, _: Any, ended: tf.Tensor, *_rest: Any) -> tf.Tensor:
        return tf.logical_and(step < length, tf.logical_not(tf.reduce_all(ended)))

    def write(
        step: tf.Tensor, tokens: tf.Tensor, ended: tf.Tensor, written: tf.TensorArray, state: State
    ) -> tuple[Any, ...]:
        logits, state = decoder.step(tokens, state)
        tokens = tf.where(
            ended, tf.constant(PADDING, tf.int64), _drawn(logits, never, chosen, step)
        )
        ended = tf.logical_or(ended, tokens == END)
        return step + 1, tokens, ended, written.write(step, tokens), state

    nothing = tf.TensorArray(tf.int64, 0, dynamic_size=True, element_shape=first.shape)
    start = (tf.constant(0), first, tf.zeros_like(first, tf.bool), nothing, state)
    written = tf.while_loop(going_on, write, start)[3]
    return tf.transpose(written.stack())  # (T, B) to (B, T)


def _drawn(logits: tf.Tensor, never: Any, sampling: Sampling, step: tf.Tensor) -> tf.Tensor:
    """Draws tokens `[B]` from logits `[B, V]`."""
    logits = tf.where(never, logits.dtype.min, logits)
    temperature = tf.cast(sampling.temperature, logits.dtype)
    return tf.cond(
        temperature > 0,
        lambda: _random(logits / temperature, sampling, step),
        lambda: tf.argmax(logits, axis=-1),
    )


def _random(logits: tf.Tensor, sampling: Sampling, step: tf.Tensor) -> tf.Tensor:
    seed = tf.stack([tf.cast(sampling.seed, tf.int64), tf.cast(step, tf.int64)])

    def of_all() -> tf.Tensor:
        return tf.random.stateless_categorical(logits, 1, seed)

    def of_some() -> tf.Tensor:
        falling, tokens = tf.math.top_k(logits, tf.shape(logits)[-1])
        place = tf.random.stateless_categorical(_nucleus(falling, sampling), 1, seed)
        return tf.cast(tf.gather(tokens, place, batch_dims=1), tf.int64)

    everything = tf.logical_and(tf.equal(sampling.top_k, 0), tf.equal(sampling.top_p, 1.0))
    return tf.cond(everything, of_all, of_some)[:, 0]


def _nucleus(falling: tf.Tensor, sampling: Sampling) -> tf.Tensor:
    """Puts out, of logits `[B, V]` in falling order, what top-k and then top-p leave out."""
    lowest = falling.dtype.min
    rank = tf.range(tf.shape(falling)[-1])
    beyond = tf.logical_and(sampling.top_k > 0, rank >= sampling.top_k)
    falling = tf.where(beyond, lowest, falling)
    before = tf.cumsum(tf.nn.softmax(falling), axis=-1, exclusive=True)
    return tf.where(before < sampling.top_p, falling, lowest)  # the first one always stays


class _Beams(NamedTuple):
    """The candidates of each row, the best first.

    Attributes:
        written: Their tokens so far, int64 `[B, K, T]`.
        likelihood: Logarithms of their probabilities, `[B, K]`.
        tokens: How many each has, its end marker included, int32 `[B, K]`.
        ended: Whether it has one, `[B, K]`.
    """

    written: tf.Tensor
    likelihood: tf.Tensor
    tokens: tf.Tensor
    ended: tf.Tensor


def beam_search(
    decoder: Decoder,
    inputs: Mapping[str, tf.Tensor],
    length: int | tf.Tensor,
    never: Any,
    width: int | tf.Tensor,
) -> tf.Tensor:
    """Writes the best text of each row that is found with some candidates at a time.

    A candidate's rank is its log-probability over `((5 + tokens) / 6) ** LENGTH_PENALTY`;
    those that have ended compete with those that go on.

    Args:
        decoder: Says which token comes next.
        inputs: Of the model, `[B, ...]`.
        length: Tokens at most.
        never: Which tokens are not written, boolean `[V]`.
        width: Candidates of a row.

    Returns:
        int64 `[B, T]`, T at most `length`; `PADDING` follows an `END`.
    """
    first, state = decoder.begin(inputs)
    rows = tf.shape(first)[0]
    own = width * tf.range(rows)[:, tf.newaxis]  # where a row's candidates begin

    def going_on(step: tf.Tensor, _: Any, beams: _Beams, *_rest: Any) -> tf.Tensor:
        return tf.logical_and(step < length, tf.logical_not(tf.reduce_all(beams.ended)))

    def widen(step: tf.Tensor, tokens: tf.Tensor, beams: _Beams, state: State) -> tuple[Any, ...]:
        logits, state = decoder.step(tokens, state)
        shares = tf.nn.log_softmax(tf.where(never, logits.dtype.min, logits))
        beams, parents = _best(beams, tf.reshape(shares, [rows, width, shares.shape[-1]]), width)
        origin = tf.reshape(own + parents, [-1])
        state = tf.nest.map_structure(lambda part: tf.gather(part, origin), state)
        return step + 1, tf.reshape(beams.written[:, :, -1], [-1]), beams, state

    state = tf.nest.map_structure(lambda part: tf.repeat(part, width, axis=0), state)
    start = (tf.constant(0), tf.repeat(first, width), _only_one(rows, width), state)
    shapes = tf.nest.map_structure(lambda part: part.shape, start)
    growing = shapes[2]._replace(written=tf.TensorShape([None, None, None]))
    shapes = (*shapes[:2], growing, shapes[3])
    return tf.while_loop(going_on, widen, start, shapes)[2].written[:, 0]


def _only_one(rows: tf.Tensor, width: int | tf.Tensor) -> _Beams:
    """One candidate a row that can go on; the others are its copies, and impossible."""
    one = tf.one_hot(tf.zeros([rows], tf.int32), width, on_value=0.0, off_value=tf.float32.min)
    counts = tf.zeros_like(one, tf.int32)
    return _Beams(tf.zeros([rows, width, 0], tf.int64), one, counts, counts > 0)


def _best(beams: _Beams, shares: tf.Tensor, width: int | tf.Tensor) -> tuple[_Beams, tf.Tensor]:
    """Adds a token to each candidate and keeps the best, given log-probabilities `[B, K, V]`.

    Returns:
        The new candidates, and which of the old ones each comes from, int32 `[B, K]`.
    """
    choices = shares.shape[-1]
    # One that has ended stays as it is: padding alone can follow, and costs nothing.
    padding = tf.one_hot(PADDING, choices, on_value=0.0, off_value=tf.float32.min)
    shares = tf.where(beams.ended[..., tf.newaxis], padding, shares)
    likelihood = tf.maximum(beams.likelihood[..., tf.newaxis] + shares, tf.float32.min)
    tokens = beams.tokens + tf.cast(tf.logical_not(beams.ended), tf.int32)
    rank = likelihood / _penalty(tokens)[..., tf.newaxis]  # (B, K, V)
    chosen = tf.math.top_k(tf.reshape(rank, [-1, width * choices]), width).indices
    parents, token = chosen // choices, tf.cast(chosen % choices, tf.int64)

    def of_parent(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, parents, batch_dims=1)

    flat = tf.reshape(likelihood, [-1, width * choices])
    return (
        _Beams(
            tf.concat([of_parent(beams.written), token[..., tf.newaxis]], axis=-1),
            tf.gather(flat, chosen, batch_dims=1),
            of_parent(tokens),
            tf.logical_or(of_parent(beams.ended), token == END),
        ),
        parents,
    )


def _penalty(tokens: tf.Tensor) -> tf.Tensor:
    return ((5.0 + tf.cast(tokens, tf.float32)) / 6.0) ** LENGTH_PENALTY
