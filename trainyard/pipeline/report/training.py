"""The report's sections on training and on the model itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from trainyard.pipeline.records import RunRecord
from trainyard.pipeline.report import charts, pictures
from trainyard.pipeline.verdict import finished_output
from trainyard.trainer_modules.harness import names

History = dict[str, list[float | None]]

_MODEL = ("model.svg", "model.png")
MOST_SUMMARY_LINES = 120
MOST_EPOCHS = 7
LEARNING_RATE = "learning_rate"


@dataclass(frozen=True)
class Look:
    """Where a decoder looked in a text.

    Attributes:
        read: The text's tokens.
        written: Those that were written.
        weights: For each of the latter, the shares of the former.
        wanted: What should have been written.
    """

    read: list[str]
    written: list[str]
    weights: list[list[float]]
    wanted: str


@dataclass(frozen=True)
class Watched:
    """The same few rows after some of the epochs.

    Attributes:
        epochs: Numbers of the epochs, counted from 1.
        best: The epoch whose weights were kept.
        rows: Of each its images as data addresses; its text; what is true; and the answer after
            each of the epochs.
    """

    epochs: list[int]
    best: int
    rows: list[tuple[list[str], str, str, list[str]]]


@dataclass(frozen=True)
class TrainingSection:
    """All that the report says of training.

    Attributes:
        facts: Steps, seconds, parameters and so on.
        curves: A chart for each metric, the loss first, the learning rate last.
        summary: Keras's table of layers.
        summary_cut: How many lines of it were left out.
        picture: The model as a data address, or empty.
        augmented: Training images beside what augmentation makes of them; likewise.
        looks: Where a decoder looked in some held-out texts.
        watched: What the model answered for some rows as it learned; None if it was not asked.
        class_names: The classes in the order of the predictions, by head.
    """

    facts: dict[str, Any]
    curves: list[Markup]
    summary: str
    summary_cut: int
    picture: str
    augmented: str
    looks: list[Look]
    watched: Watched | None
    class_names: dict[str, list[str]]


def training_section(record: RunRecord, heads: Iterable[str]) -> TrainingSection | None:
    """Reads what the Trainer left; None if it has not come to its end.

    Args:
        record: The run.
        heads: The names of what is predicted.
    """
    folder = finished_output(record, "Trainer", "model_run")
    if folder is None:
        return None
    facts = _json(folder / "training.json")
    class_names = {head: facts.pop(names.of(head, "class_names"), []) for head in heads}
    for head in class_names:
        facts.pop(names.of(head, "class_counts"), None)
    facts["phases"] = _phases(facts.pop("phases", []))
    lines = _text(folder / "summary.txt").splitlines()
    return TrainingSection(
        facts={key.replace("_", " "): value for key, value in facts.items() if value},
        curves=[
            *_curves(_json(folder / "history.json"), int(facts.get("best_epoch", 0))),
            *_learning_rate(_json(folder / "learning_rate.json")),
        ],
        summary="\n".join(lines[:MOST_SUMMARY_LINES]),
        summary_cut=max(0, len(lines) - MOST_SUMMARY_LINES),
        picture=next(filter(None, [pictures.of_file(folder / name) for name in _MODEL]), ""),
        augmented=pictures.of_file(folder / "augmented.webp"),
        looks=[Look(**look) for look in json.loads(_text(folder / "attention.json") or "[]")],
        watched=_watched(_json(folder / "watched.json"), int(facts.get("best_epoch", 0))),
        class_names=class_names,
    )


def _watched(record: dict[str, Any], best: int) -> Watched | None:
    answers: dict[int, list[str]] = {int(n): each for n, each in record.get("epochs", {}).items()}
    if not answers:
        return None
    numbers = sorted(answers)
    # The first, the last, the best, and some between them at about the same distance.
    spread = {numbers[round(n)] for n in np.linspace(0, len(numbers) - 1, MOST_EPOCHS)}
    epochs = sorted(spread | ({best} & set(numbers)))
    rows = [
        (
            [f"data:image/png;base64,{image}" for image in row["images"].values()],
            " | ".join(row["texts"].values()),
            row["actual"],
            [answers[epoch][place] for epoch in epochs],
        )
        for place, row in enumerate(record["rows"])
    ]
    return Watched(epochs, best, rows)


def _phases(phases: list[dict[str, Any]]) -> str:
    """Says when which layers learned; nothing if all did all the time."""
    said = [f"{each['name']}: epochs {each['first_epoch']}-{each['last_epoch']}" for each in phases]
    return "; ".join(said) if len(said) > 1 else ""


def _json(file: Path) -> dict[str, Any]:
    return dict(json.loads(_text(file) or "{}"))


def _text(file: Path) -> str:
    return file.read_text("utf-8", errors="replace") if file.exists() else ""


def _curves(history: History, best_epoch: int) -> list[Markup]:
    names = (name.removeprefix("val_") for name in history if name != LEARNING_RATE)
    in_order = sorted(dict.fromkeys(names), key=lambda name: name != "loss")
    return [
        charts.training_curve(f"curve{index}", name.replace("_", " "), _sides(history, name), best)
        for index, name in enumerate(in_order)
        for best in [best_epoch if f"val_{name}" in history else 0]
    ]


def _learning_rate(noted: dict[str, list[float]]) -> Iterator[Markup]:
    if noted:
        yield charts.learning_rate(LEARNING_RATE, (noted["step"], noted[LEARNING_RATE]))


def _sides(history: History, metric: str) -> dict[str, Sequence[float | None]]:
    sides = {"training": history.get(metric), "validation": history.get(f"val_{metric}")}
    return {label: values for label, values in sides.items() if values}
