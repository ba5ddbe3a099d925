"""Where a recipe's runs, metadata, artifacts and pushed models live."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainyard import outputs
from trainyard.outputs import home as home
from trainyard.recipe_schema import Recipe


@dataclass(frozen=True)
class Workspace:
    """The folders of one recipe.

    Attributes:
        root: Everything of the recipe but the pushed models.
        serving: The directory that TensorFlow Serving reads: one numbered folder a version.
    """

    root: Path
    serving: Path

    @classmethod
    def of(cls, recipe: Recipe) -> Workspace:
        """Returns the folders for a recipe; creates none."""
        serving = recipe.push.destination or outputs.serving(recipe.name)
        return cls(home() / recipe.name, Path(serving))

    @property
    def metadata(self) -> Path:
        """The ML Metadata database (sqlite)."""
        return self.root / "metadata.sqlite"

    @property
    def artifacts(self) -> Path:
        """TFX's pipeline root."""
        return self.root / "artifacts"

    @property
    def checkpoints(self) -> Path:
        """Training that was interrupted goes on from here."""
        return self.root / "checkpoints"

    @property
    def code(self) -> Path:
        """What the digests of code in the records were made of."""
        return self.root / "code"

    @property
    def runs(self) -> Path:
        """One folder a run: record, logs, report."""
        return self.root / "runs"

    @property
    def requests(self) -> Path:
        """The request log of `trainyard serve`."""
        return self.root / "requests"

    @property
    def monitor(self) -> Path:
        """What `trainyard monitor` found: `latest.json`, a page, Prometheus gauges."""
        return self.root / "monitor"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the recipe."""
        return self.root / "run.lock"
