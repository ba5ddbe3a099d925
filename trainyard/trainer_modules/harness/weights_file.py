"""Where the weights of a pretrained network come from: a file, or a model that was pushed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import keras
from pydantic import ConfigDict, Field

from trainyard.errors import RecipeError, nearest

PUSHED_MODEL = Path("assets.extra") / "model.keras"
"""Within a pushed version: the Keras model, which a SavedModel cannot be turned back into."""

WHERE = "trainer.params.weights"


@dataclass(frozen=True)
class Pushed:
    """A model that an earlier run pushed.

    Attributes:
        recipe: The name of that run's recipe.
        version: Which of its versions; the newest if None.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    recipe: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    version: Annotated[int, Field(ge=1)] | None = None

    @property
    def folder(self) -> Path:
        """The pushed version.

        Raises:
            RecipeError: There is none.
        """
        serving = Path(os.environ.get("TRAINYARD_HOME", "trainyard_out")) / "serving" / self.recipe
        there = {int(path.name): path for path in serving.glob("*") if path.name.isdecimal()}
        version = self.version or max(there, default=0)
        if version not in there:
            raise RecipeError(
                f"the recipe {self.recipe!r} has pushed no such model",
                where=WHERE,
                expected=", ".join(map(str, sorted(there))) or f"a version in {serving.absolute()}",
                received=f"version {version}" if version else "no version",
                hint="run that recipe first; if it pushes elsewhere, give that version's folder",
            )
        return there[version]


Weights = Pushed | str
"""`imagenet`, `none`, a file (.weights.h5 or .keras), a pushed version's folder, or its recipe."""


def file_of(weights: Weights) -> Path | None:
    """Finds the file that weights are in.

    Args:
        weights: As the recipe says.

    Returns:
        A file .keras or .weights.h5; None for `imagenet` and `none`.

    Raises:
        RecipeError: There is none.
    """
    if weights in ("imagenet", "none"):
        return None
    given = weights.folder if isinstance(weights, Pushed) else Path(weights)
    file = given / PUSHED_MODEL if given.is_dir() else given
    if not file.is_file() or not file.name.endswith((".keras", ".weights.h5")):
        raise RecipeError(
            f"there is no {PUSHED_MODEL} in that version: an earlier Trainyard pushed it"
            if given.is_dir()
            else "there is no such file of weights",
            where=WHERE,
            expected="imagenet, none, a file .keras or .weights.h5, a pushed version's folder, "
            "or {recipe: NAME}",
            received=str(weights),
            hint="run its recipe again"
            if given.is_dir()
            else nearest(str(weights), ("imagenet", "none")),
        )
    return file


def loaded(file: Path) -> keras.Model:
    """Loads a .keras file.

    Args:
        file: It exists.

    Raises:
        RecipeError: Keras cannot load it.
    """
    try:
        return keras.saving.load_model(file, compile=False)
    except (ValueError, TypeError, OSError) as error:
        raise unusable(file, "a model that Keras can load", str(error)) from error


def unusable(file: Path, expected: str, received: str) -> RecipeError:
    """Makes the error about a file that cannot be used.

    Args:
        file: The file of weights.
        expected: What would have been right.
        received: What came instead; its first line is shown.
    """
    return RecipeError(
        "the weights do not fit",
        where=f"{WHERE}: {file}",
        expected=expected,
        received=received.strip().splitlines()[0][:200],
        hint="write the file with save('FILE.keras') of the network without its top",
    )
