"""Weights to start from: those of an earlier model of the same architecture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras

from trainyard.errors import RecipeError
from trainyard.trainer_modules.harness import weights_file
from trainyard.wording import counted

WHERE = "trainer.start_from"


def file_of(start_from: str) -> Path:
    """Finds the file that the weights are in.

    Args:
        start_from: A pushed version's folder, or a .keras file.

    Raises:
        RecipeError: There is none.
    """
    given = Path(start_from)
    file = given / weights_file.PUSHED_MODEL if given.is_dir() else given
    if file.suffix != ".keras" or not file.is_file():
        raise RecipeError(
            "there is no model to start from",
            where=WHERE,
            expected="a version that Trainyard pushed, or a .keras file",
            received=str(file),
        )
    return file


def load(model: keras.Model, start_from: str, vocabularies: Path) -> None:
    """Gives a model the weights of an earlier one, by the names of its layers.

    Args:
        model: Just built.
        start_from: As `file_of` takes it.
        vocabularies: The folder of Transform's vocabularies. Where a token has another number
            than it had, the earlier weights would be another token's.

    Raises:
        RecipeError: The earlier model is of another architecture, or knows other tokens.
    """
    file = file_of(start_from)
    _check_vocabularies(Path(start_from) / "assets", vocabularies)
    earlier = {each.path: each for each in weights_file.loaded(file).weights}
    wrong = list(_differences(model, earlier))
    if wrong:
        raise _another(file, *wrong[0], more=len(wrong) - 1)
    for weight in model.weights:
        weight.assign(earlier[weight.path])


def _differences(
    model: keras.Model, earlier: dict[str, keras.Variable]
) -> Iterator[tuple[str, str, str]]:
    for weight in model.weights:
        found = earlier.get(weight.path)
        if found is None:
            yield weight.path, str(tuple(weight.shape)), "no such weights"
        elif tuple(found.shape) != tuple(weight.shape):
            yield weight.path, str(tuple(weight.shape)), str(tuple(found.shape))


def _another(file: Path, name: str, expected: str, received: str, more: int) -> RecipeError:
    return RecipeError(
        f"the model to start from does not fit: {name}" + (f", and {more} more" if more else ""),
        where=f"{WHERE}: {file}",
        expected=expected,
        received=received,
        hint="train from scratch (`retrain: {warm_start: false}`): the trainer's parameters, the "
        "columns or a vocabulary have changed",
    )


def _check_vocabularies(earlier: Path, now: Path) -> None:
    for file in sorted(now.glob("*")):
        before = earlier / file.name
        if before.is_file() and before.read_bytes() != file.read_bytes():
            tokens, known = file.read_bytes().splitlines(), before.read_bytes().splitlines()
            raise RecipeError(
                f"the model to start from knows another vocabulary of {file.name!r}",
                where=f"{WHERE}: {before}",
                expected=f"the {counted(len(tokens), 'token')} of the training data, in this order",
                received=f"{len(known):,}, of which {len(set(known) - set(tokens)):,} are others",
                hint="train from scratch (`retrain: {warm_start: false}`)",
            )
