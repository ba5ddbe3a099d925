"""The recipe as it travels: its text, and that of its curated schema, in one argument."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from pydantic import BaseModel, ValidationError

from trainyard.errors import RecipeError
from trainyard.files import write_whole
from trainyard.pipeline.recipe import load_recipe, parse_recipe, with_changes
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe


class Luggage(BaseModel):
    """What a pod needs to know of a recipe.

    Attributes:
        name: The recipe's.
        text: The recipe's file.
        schema_text: The curated schema's file; None if it is inferred.
    """

    name: str
    text: str
    schema_text: str | None = None

    @classmethod
    def of(cls, recipe_file: Path) -> Self:
        """Takes up a recipe.

        Args:
            recipe_file: Its file, which `parse_recipe` has read.

        Raises:
            RecipeError: There is no such schema, or there is a secret in the recipe.
        """
        recipe = parse_recipe(recipe_file)
        if recipe.monitor.webhook and recipe.monitor.webhook.literal_secret:
            raise RecipeError(
                "the compiled pipeline would show this address to all who can read it",
                where="monitor.webhook",
                hint="name it: `${env:NAME}` or `${file:PATH}`; `kubeflow.secrets` brings secrets "
                "of the cluster into its pods",
            )
        schema = None
        if recipe.data.schema_file != "infer":
            file = recipe_file.parent / recipe.data.schema_file
            if not file.is_file():
                raise RecipeError(
                    f"there is no schema file {str(file)!r}",
                    where="data.schema",
                    hint=f"write it: trainyard schema infer {recipe_file}",
                )
            schema = file.read_text(encoding="utf-8")
        text = recipe_file.read_text(encoding="utf-8")
        return cls(name=recipe.name, text=text, schema_text=schema)

    def packed(self) -> str:
        """Writes all as one word: no quotes, and no braces that Argo could take for its own."""
        return base64.urlsafe_b64encode(zlib.compress(self.model_dump_json().encode(), 9)).decode()

    @classmethod
    def unpacked(cls, word: str) -> Self:
        """Reads what `packed` wrote.

        Raises:
            RecipeError: It did not.
        """
        try:
            return cls.model_validate_json(zlib.decompress(base64.urlsafe_b64decode(word)))
        except (ValueError, zlib.error, ValidationError) as error:
            raise RecipeError(
                f"the recipe in the compiled file cannot be read: {error}",
                hint="compile it again: trainyard kubeflow compile RECIPE -o FILE",
            ) from None

    def parsed(self) -> Recipe:
        """Returns the recipe as its file has it."""
        with TemporaryDirectory() as folder:
            file = Path(folder) / f"{self.name}.yaml"
            file.write_text(self.text, encoding="utf-8")
            return parse_recipe(file)

    def load(self, changes: Mapping[str, str]) -> tuple[Recipe, Path]:
        """Unpacks the recipe where it runs.

        Args:
            changes: Other values, by dotted keys.

        Returns:
            The recipe, its paths and data sets those of this machine, and its file.

        Raises:
            RecipeError: A change does not fit.
        """
        with TemporaryDirectory() as folder:
            original = Path(folder) / f"{self.name}.yaml"
            original.write_text(self.text, encoding="utf-8")
            changed = with_changes(original, changes) if changes else self.text
            original.write_text(changed, encoding="utf-8")
            recipe = load_recipe(original, schema_must_exist=False)
        file = Workspace.of(recipe).root / "recipes" / f"{_digest(changed)}.yaml"
        write_whole(file, changed)
        if self.schema_text is None:
            return recipe, file
        schema = file.with_name(f"{_digest(self.schema_text)}.pbtxt")
        write_whole(schema, self.schema_text)
        data = recipe.data.model_copy(update={"schema_file": str(schema)})
        return recipe.model_copy(update={"data": data}), file


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
