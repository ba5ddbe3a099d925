"""Measures tokens a second: the input pipeline alone, and training; padded against bucketed.

    python -m benchmarks.text_rate             # film reviews, in batches of 64
    python -m benchmarks.text_rate RECIPE      # any recipe for `text_classifier`

The recipe is run to its end first, in trainyard_out/text_rate; a second time that is done from
the cache. Then each encoder trains on the same rows: once each text padded to the feature's
`length`, once with `trainer.bucketing`, in turn and without validation. The first epoch, in which
TensorFlow traces, does not count. Tokens are those of the texts; padding is none. The table is
written to benchmarks/TEXT.md too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import judging, measuring, text_page
from benchmarks.input_rate import clock, training_of

ROOT = Path(__file__).parents[1]
ENCODERS: dict[str, dict[str, Any]] = {
    "convolution": {"kind": "convolution"},
    "LSTM, both ways": {"kind": "lstm", "units": 64},
    "Transformer": {"kind": "transformer"},
}
WAYS = {"padded": False, "bucketed": True}

Rates = Mapping[str, Sequence[float]]
"""Tokens a second in each turn, `padded` and `bucketed`."""

HEADER = (
    "| what | padded, tokens/s | bucketed, tokens/s | times as fast |\n| --- | --- | --- | --- |"
)


def main() -> int:
    """Measures, prints a table and writes the page."""
    options = _options()
    judging.at_home("text_rate")
    judging.run(options.recipe.absolute())
    others, lines = measuring.others(), [HEADER]
    for line in _measured(options.recipe, options.epochs, options.repeats):
        lines.append(line)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    text_page.keep("text_rate", options.recipe.stem, lines, others=others())
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text_rate", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", type=Path, nargs="?", default=ROOT / "benchmarks" / "text.yaml")
    parser.add_argument("--epochs", type=int, default=1, help="that count, in each turn")
    parser.add_argument("--repeats", type=int, default=2, help="turns")
    return parser.parse_args()


def line(what: str, rates: Rates) -> str:
    """Writes a line of the table.

    Args:
        what: What was measured.
        rates: Of both ways.
    """
    padded, bucketed = (statistics.median(rates[way]) for way in WAYS)
    return f"| {what} | {padded:,.0f} | {bucketed:,.0f} | {bucketed / padded:.2f} |"


def _measured(recipe_file: Path, epochs: int, repeats: int) -> Iterator[str]:
    from trainyard.pipeline.recipe import load_recipe
    from trainyard.trainer_modules.harness import spec

    training = training_of(load_recipe(recipe_file))
    known = spec.build(
        training.config, training.transform_output, training.train, training.held_out
    )
    specs = {way: _with_bucketing(known, wanted) for way, wanted in WAYS.items()}
    shares = ", ".join(f"{way} {_padding(specs[way], training.train):.0%}" for way in WAYS)
    turns = range(repeats)
    rates = {way: [_reading(specs[way], training.train) for _ in turns] for way in WAYS}
    yield line(f"input pipeline (of its ids, padding is: {shares})", rates)
    for name, encoder in ENCODERS.items():
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in turns:
            for way in WAYS:
                found[way].append(_fitting(specs[way], training.train, encoder, epochs))
        yield line(f"training, {name}", found)


def _with_bucketing(known: Any, wanted: bool) -> Any:
    return replace(known, training=known.training.model_copy(update={"bucketing": wanted}))


def _batches(known: Any, examples: Any, epochs: int) -> Any:
    from trainyard.trainer_modules.harness import inputs

    return inputs.make_dataset(None, known, examples, range(epochs))


def _padding(known: Any, examples: Any) -> float:
    """The share of padding among all ids of an epoch."""
    ids = [x[name] for x, *_ in _batches(known, examples, 1) for name in known.texts]
    return 1 - _tokens(known, examples) / sum(int(each.shape.num_elements()) for each in ids)


def _tokens(known: Any, examples: Any) -> int:
    """Tokens of an epoch."""
    import numpy as np

    return sum(int(np.count_nonzero(examples.held[name])) for name in known.texts)


def _reading(known: Any, examples: Any) -> float:
    """Tokens a second of the input pipeline alone, over ten epochs after the first batch."""
    batches = iter(_batches(known, examples, 11))
    next(batches)
    started = time.monotonic()
    for _ in range(10 * known.steps_per_epoch):
        next(batches)
    return 10 * _tokens(known, examples) / (time.monotonic() - started)


def _fitting(known: Any, examples: Any, encoder: Mapping[str, Any], epochs: int) -> float:
    """Tokens a second of training."""
    import keras

    from trainyard.trainer_modules import registry, text_classifier

    keras.utils.set_random_seed(1)
    ends = clock()
    params = registry.params(text_classifier, {"encoder": encoder})
    model = text_classifier.build_model(params, known)
    model.fit(
        _batches(known, examples, 1 + epochs),
        epochs=1 + epochs,
        steps_per_epoch=known.steps_per_epoch,
        callbacks=[ends],
        verbose=0,
    )
    return epochs * _tokens(known, examples) / (ends.ends[-1] - ends.ends[0])


if __name__ == "__main__":
    raise SystemExit(main())
