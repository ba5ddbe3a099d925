"""Writes benchmarks/TEXT.md: what the benchmarks of text, each on its own, have measured.

    python -m benchmarks.text_rate
    python -m benchmarks.generation
    python -m benchmarks.variants

Each keeps its tables in trainyard_out/text_page.json and writes the page anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import machine, measuring
from trainyard.files import write_whole
from trainyard.pipeline import workspace

PAGE = Path(__file__).parent / "TEXT.md"

SECTIONS = {
    "text_rate": (
        "Reading and training",
        "Tokens of the texts a second; padding is none. `padded`: each text to the feature's "
        "`length`. `bucketed`: each batch to its longest text (`trainer.bucketing`).",
    ),
    "generation": (
        "Writing",
        "`inside`: the SavedModel's signature `generate`. `step`: a Python loop over the Keras "
        "layers, which keep their state. `whole`: a Python loop that gives the model the whole "
        "text again for each token. The goal is five times the faster loop.",
    ),
    "variants": (
        "With several seeds",
        "Each variant trained on the same rows once with each seed, and judged on the test split. "
        "The goals, in the mean: no variant is worse than the first, and the recipe's own reaches "
        "what benchmarks/references.py asks of it.",
    ),
}
"""By benchmark, its title and what its tables say."""


@dataclass(frozen=True)
class Table:
    """What a benchmark measured on one recipe.

    Attributes:
        lines: Markdown.
        commit: What was measured.
        machine: What on, in words.
        others: Processors that other programs kept busy meanwhile, on average; None where no
            time was measured.
    """

    lines: Sequence[str]
    commit: str
    machine: str
    others: float | None = None

    @property
    def is_first(self) -> bool:
        """Whether others' work was in the way."""
        return (self.others or 0.0) > measuring.BUSY_CORES


Kept = Mapping[str, Mapping[str, Table]]
"""By benchmark and recipe."""


def keep(benchmark: str, recipe: str, lines: Sequence[str], *, others: float | None = None) -> None:
    """Keeps a table in place of an earlier one, and writes the page.

    Args:
        benchmark: One of `SECTIONS`; `workspace.home()` is its folder.
        recipe: What it measured.
        lines: The table, and what is to be said of it.
        others: As in `Table`.
    """
    state = workspace.home().parent / "text_page.json"
    kept = json.loads(state.read_text("utf-8")) if state.exists() else {}
    commit = machine.commit(["trainyard", "requirements.lock"])
    table = Table(lines, commit, machine.described(machine.facts()), others)
    kept.setdefault(benchmark, {})[recipe] = asdict(table)
    write_whole(state, json.dumps(kept, indent=1))
    tables = {name: {r: Table(**t) for r, t in each.items()} for name, each in kept.items()}
    write_whole(PAGE, page(tables))


def page(kept: Kept) -> str:
    """Returns the page as Markdown."""
    parts = [
        "# Text: how fast, and how much of it was luck\n\nWritten by `python -m "
        f"benchmarks.{{{','.join(SECTIONS)}}}`; not to be edited by hand."
    ]
    for benchmark, (title, words) in SECTIONS.items():
        parts.append(f"## {title}\n\n{words} (`python -m benchmarks.{benchmark}`)")
        tables = kept.get(benchmark, {})
        parts += [_told(recipe, table) for recipe, table in tables.items()] or ["Never run."]
    return "\n\n".join(parts) + "\n"


def _told(recipe: str, table: Table) -> str:
    lines = "\n".join(table.lines)
    return f"### {recipe}\n\n{lines}\n\nAt {table.commit}, on {table.machine}.{_busy(table)}"


def _busy(table: Table) -> str:
    if table.others is None:
        return ""
    said = f" Meanwhile other programs kept {table.others:.1f} cores busy."
    return f"{said} **First figures only.**" if table.is_first else said
