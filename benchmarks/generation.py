"""Measures generation: tokens a second inside the SavedModel, and in a Python loop.

    python -m benchmarks.generation                              # shakespeare
    python -m benchmarks.generation recipes/english_french.yaml  # any recipe that writes

The recipe is run to the pushed model first, in trainyard_out/generation; a second time that is
done from the cache. Then the model writes the same number of tokens after one prompt, in turn

- inside: by the SavedModel's signature `generate`, as a client asks for it,
- step: in a Python loop over the Keras layers, which keep their state from token to token,
- whole: in a Python loop that gives the Keras model the whole text again for each token.

The most probable token is taken each time. The first turn, in which TensorFlow traces, does not
count. The goal is five times the rate of the faster loop. The table is written to
benchmarks/TEXT.md too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import judging, measuring, text_page

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "shakespeare.yaml"
GOAL = 5.0

Rates = Mapping[str, Sequence[float]]


def main() -> int:
    """Measures, prints a table, and says by its code whether the goal is met."""
    options = _options()
    judging.at_home("generation")
    judging.run(options.recipe.absolute())
    ways, others = _ways(options.recipe, options.prompt, options.length), measuring.others()
    measured = rates(ways, options.length, options.repeats)
    lines = [HEADER, *table(measured), "", verdict(measured)]
    sys.stdout.write("\n".join([*lines, ""]))
    text_page.keep("generation", options.recipe.stem, lines, others=others())
    return 0 if times_faster(measured) >= GOAL else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("recipe", type=Path, nargs="?", default=RECIPE)
    parser.add_argument("--prompt", default="ROMEO:")
    parser.add_argument("--length", type=int, default=100, help="tokens in a turn")
    parser.add_argument("--repeats", type=int, default=5, help="turns that count")
    return parser.parse_args()


HEADER = "| way | tokens/s, median (least to most) | of the faster loop |\n| --- | --- | --- |"


def rates(ways: Mapping[str, Callable[[], Any]], length: int, repeats: int) -> Rates:
    """Tokens a second of each way, turn by turn.

    Args:
        ways: What writes, by name.
        length: Tokens that each writes.
        repeats: Turns, after one that does not count.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, write in ways.items():
            started = time.perf_counter()
            write()
            if turn:
                found[name].append(length / (time.perf_counter() - started))
    return found


def times_faster(measured: Rates) -> float:
    """The rate inside the SavedModel, over that of the faster loop."""
    medians = {name: statistics.median(each) for name, each in measured.items()}
    return medians.pop("inside") / max(medians.values())


def verdict(measured: Rates) -> str:
    """Says whether the goal is met."""
    reached = times_faster(measured)
    said = "reached" if reached >= GOAL else "not reached"
    return f"The goal is {said}: inside the SavedModel it is {reached:.1f} times as fast."


def table(measured: Rates) -> Iterator[str]:
    """Yields a line for each way."""
    loop = max(statistics.median(each) for name, each in measured.items() if name != "inside")
    for name, each in measured.items():
        median = statistics.median(each)
        spread = f"{median:,.0f} ({min(each):,.0f} to {max(each):,.0f})"
        yield f"| {name} | {spread} | {median / loop:.1f} |"


def _ways(recipe: Path, prompt: str, length: int) -> dict[str, Callable[[], Any]]:
    import keras
    import numpy as np
    import tensorflow as tf
    import tensorflow_transform as tft

    from trainyard.model_store.versions import pushed
    from trainyard.pipeline.recipe import load_recipe
    from trainyard.pipeline.records import find_run
    from trainyard.pipeline.workspace import Workspace
    from trainyard.trainer_modules import registry
    from trainyard.trainer_modules.harness import description, export, names, writing

    settings = load_recipe(recipe)
    registry.find(settings.trainer.module)  # Keras has to know its layers
    record, folder = find_run(settings.name), pushed(Workspace.of(settings).serving)
    loaded = tf.saved_model.load(str(folder))
    model = keras.saving.load_model(
        record.output("Trainer", "model_run") / export.MODEL_FILE, compile=False
    )
    graph = tft.TFTransformOutput(str(record.output("Transform", "transform_graph")))
    writer = writing.of(model, description.read(folder), graph)
    read = {writer.key: writer.source.ids(tf.constant([prompt]))}

    def best(logits: Any) -> Any:
        return np.where(writer.never, -np.inf, np.asarray(logits)).argmax(axis=-1)

    def inside() -> None:
        options = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "beams": 1}
        given = {name: tf.constant(value) for name, value in options.items()}
        seed = tf.constant(1, tf.int64)
        loaded.signatures["generate"](
            prompt=tf.constant([prompt]), length=tf.constant(length), seed=seed, **given
        )

    def step() -> None:
        token, state = writer.decoder.begin(read)
        for _ in range(length):
            logits, state = writer.decoder.step(token, state)
            token = tf.constant(best(logits), tf.int64)

    def whole() -> None:
        told = names.LABEL in model.input
        text = np.zeros((1, 1), np.int64) if told else read[writer.key].numpy()
        for _ in range(length):
            # One place more than there are tokens: its logits are those of the next one.
            longer = np.pad(text, [(0, 0), (0, 1)])
            given = read | {names.LABEL: longer} if told else {writer.key: longer}
            logits = model(given, training=False)[:, text.shape[1]]
            text = np.concatenate([text, best(logits)[:, np.newaxis]], axis=1)

    return {"inside": inside, "step": step, "whole": whole}


if __name__ == "__main__":
    raise SystemExit(main())
