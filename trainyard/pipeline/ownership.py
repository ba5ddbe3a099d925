"""A recipe's workspace and served model belong to one recipe file.

Two files of the same name would train into the same folders, and one would replace the other's
served model. So each folder says whose it is; another file is refused until it adopts them.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from trainyard.errors import RecipeError
from trainyard.files import write_whole
from trainyard.pipeline.recipe import load_recipe, locating
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

FILE = "owner.json"
"""In the workspace, and beside the pushed versions."""


class Owner(BaseModel):
    """Whose a folder is.

    Attributes:
        name: The recipe's.
        recipe_file: Its file, absolute.
    """

    name: str
    recipe_file: Path


def load(recipe_file: Path, *, adopt: bool = False) -> Recipe:
    """Reads a recipe file for a command that works in its workspace.

    Args:
        recipe_file: A YAML file.
        adopt: Whether to hand workspace and served model over to it, whosever they are.

    Raises:
        RecipeError: As `load_recipe`, or the workspace belongs to another file.
    """
    recipe = load_recipe(recipe_file)
    with locating(recipe_file):
        take(recipe, recipe_file) if adopt else check(recipe, recipe_file)
    return recipe


def check(recipe: Recipe, recipe_file: Path) -> None:
    """Refuses a recipe whose workspace or serving directory belongs to another file.

    Args:
        recipe: A resolved recipe.
        recipe_file: Its file.

    Raises:
        RecipeError: It does; both files are named.
    """
    for folder in _folders(Workspace.of(recipe)):
        owner = read(folder)
        if owner is not None and not _same(owner.recipe_file, recipe_file):
            raise _refusal(owner, folder, recipe, recipe_file)


def take(recipe: Recipe, recipe_file: Path) -> bool:
    """Makes the workspace and the serving directory those of a recipe file.

    Args:
        recipe: A resolved recipe.
        recipe_file: Its file.

    Returns:
        Whether the workspace was nobody's.
    """
    owner = Owner(name=recipe.name, recipe_file=recipe_file.absolute())
    before = {folder: read(folder) for folder in _folders(Workspace.of(recipe))}
    for folder, known in before.items():
        if known != owner:
            write_whole(folder / FILE, owner.model_dump_json())
    return not any(before.values())


def give_up(workspace: Workspace) -> None:
    """Makes a workspace and its serving directory nobody's.

    Args:
        workspace: Of a recipe that has never run.
    """
    for folder in _folders(workspace):
        (folder / FILE).unlink(missing_ok=True)


def read(folder: Path) -> Owner | None:
    """Reads whose a folder is; None if nobody has said, as before there were owners.

    Args:
        folder: A workspace or a serving directory.
    """
    try:
        return Owner.model_validate_json((folder / FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _folders(workspace: Workspace) -> tuple[Path, Path]:
    return workspace.root, workspace.serving


def _same(owner: Path, file: Path) -> bool:
    # By its path: it may be a link that leads to the next release of the recipe.
    return owner == file.absolute() or (owner.exists() and file.exists() and owner.samefile(file))


def _refusal(owner: Owner, folder: Path, recipe: Recipe, recipe_file: Path) -> RecipeError:
    other = f"the recipe {owner.name!r}, {owner.recipe_file}"
    gone = "" if owner.recipe_file.exists() else ", which is no longer there"
    same_name = owner.name == recipe.name
    return RecipeError(
        f"{folder} belongs to {other}{gone}",
        where="name" if same_name else "push.destination",
        expected=str(owner.recipe_file),
        received=str(recipe_file.absolute()),
        hint=f"give this recipe another {'name' if same_name else 'destination'}; or, if it takes "
        "the place of that file, hand its runs and its served model over: "
        f"trainyard check {recipe_file} --adopt (run, retrain and schedule take --adopt too)",
    )
