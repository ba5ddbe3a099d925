"""Where the weights of a pretrained network come from: a file, or a model that was pushed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import keras
from pydantic import ConfigDict, Field

from trainyard import outputs
from trainyard.errors import RecipeError, nearest
from trainyard.model_store import versions

PUSHED_MODEL = Path("assets.extra") / "model.keras"
"""Within a pushed version: the Keras model, which a SavedModel cannot be turned back into."""

WHERE = "trainer.params.weights"


@dataclass(frozen=True)
class Pushed:
    """A model that an earlier run pushed.

    Attributes:
        recipe: The name of that run's recipe.
        version: Which of its versions; the champion (its model in service) if None.
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
        serving = outputs.serving(self.recipe)
        try:
            return versions.pushed(serving, self.version)
        except RecipeError as error:
            raise RecipeError(
                f"the recipe {self.recipe!r} has pushed no such model: {error.message}",
                where=WHERE,
                expected=error.expected or f"a version in {serving}",
                hint="run that recipe first; if it pushes elsewhere, give that version's folder",
            ) from None


Weights = Pushed | str
"""`imagenet`, `none`, a file (.weights.h5 or .keras), a pushed version's folder, or its recipe."""

NO_FILE = ("imagenet", "none")


def pinned(weights: Any, folder: Path) -> Any:
    """Makes plain which file a recipe means, whatever is pushed or wherever one is later.

    Args:
        weights: As the recipe's file has it, not yet checked.
        folder: What paths are relative to.

    Returns:
        The same; a path absolute, and a recipe with its champion's version, if it has one.

    Raises:
        RecipeError: That recipe's file of labels cannot be read.
    """
    if isinstance(weights, str) and weights not in NO_FILE:
        return str(folder / weights)
    if isinstance(weights, Mapping) and weights.get("version") is None:
        champion = versions.champion(outputs.serving(str(weights.get("recipe"))))
        return dict(weights) | ({"version": int(champion.name)} if champion else {})
    return weights


def file_of(weights: Weights) -> Path | None:
    """Finds the file that weights are in.

    Args:
        weights: As the recipe says.

    Returns:
        A file .keras or .weights.h5; None for `imagenet` and `none`.

    Raises:
        RecipeError: There is none.
    """
    if weights in NO_FILE:
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
            hint="run its recipe again" if given.is_dir() else nearest(given.name, NO_FILE),
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


FROM_FILE = {"pinned": pinned, "file": file_of}
"""The metadata of a field of a module's `Params` that holds `Weights`: see `registry`."""
