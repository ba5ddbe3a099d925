"""From recorded runs to RESULTS.md and results.svg: medians, ratios, goals.

Knows nothing of how runs are made: it reads what benchmarks/speed.py recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import described
from benchmarks.measuring import BUSY_CORES

PAGE = "RESULTS.md"
PICTURE = "results.svg"
STOCK, BEAM, LOCAL = SYSTEMS = ("stock", "beam", "local")
TITLES = {STOCK: "stock TFX", BEAM: "Trainyard, beam", LOCAL: "Trainyard, local"}
STAGES = (
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "EarlierStatistics",
    "ExampleValidator",
    "Gate",
    "Transform",
    "Trainer",
    "Baseline",
    "Evaluator",
    "Pusher",
)
OUTSIDE = "start, imports, report"
"""All of the process that is in no stage."""

_SHORTEST = 0.5
"""Seconds; a ratio of stages shorter than this would be one of overheads."""

Run = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """The repetitions of one system at one size.

    Attributes:
        runs: As recorded.
    """

    runs: Sequence[Run]

    @property
    def seconds(self) -> float:
        """Median wall time of the whole process."""
        return median(run["first"]["seconds"] for run in self.runs)

    @property
    def spread(self) -> str:
        """Fastest and slowest."""
        times = sorted(run["first"]["seconds"] for run in self.runs)
        return f"{times[0]:.1f}-{times[-1]:.1f}"

    @property
    def peak_bytes(self) -> float:
        """Largest peak memory of any repetition."""
        return max(float(run["first"]["peak_bytes"]) for run in self.runs)

    @property
    def processor_seconds(self) -> float:
        """Median time of all processors."""
        return median(run["first"]["processor_seconds"] for run in self.runs)

    @property
    def again_seconds(self) -> float | None:
        """Wall time of the unchanged second run."""
        return next((run["again"]["seconds"] for run in self.runs if "again" in run), None)

    @property
    def outcome(self) -> Mapping[str, float]:
        """What the Evaluator found."""
        return next((run["outcome"] for run in self.runs if "outcome" in run), {})

    def stage(self, name: str) -> float | None:
        """Median seconds of a stage; None where the system has none of that name."""
        if name == OUTSIDE:
            return median(
                run["first"]["seconds"] - sum(run["stages"].values()) for run in self.runs
            )
        times = [run["stages"][name] for run in self.runs if name in run["stages"]]
        return median(times) if times else None


Table = Mapping[tuple[int, str], Cell]


def cells(runs: Iterable[Run]) -> dict[tuple[int, str], Cell]:
    """Groups runs by size and system."""
    groups: dict[tuple[int, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run["rows"], run["system"]), []).append(run)
    return {key: Cell(groups[key]) for key in sorted(groups, key=_order)}


def _order(key: tuple[int, str]) -> tuple[int, int]:
    return key[0], SYSTEMS.index(key[1])


def ratio(slower: float | None, faster: float | None) -> float | None:
    """How many times faster; None where one is not there or too short to compare."""
    if slower is None or faster is None or slower < _SHORTEST or not faster:
        return None
    return slower / faster


@dataclass(frozen=True)
class Goal:
    """One line of what is asked for.

    Attributes:
        name: What is measured.
        goal: Aimed at.
        floor: Not to be missed.
        unit: Behind the figures.
        more_is_better: Whether the floor is a least or a greatest value.
        reached: Reads the figure off the table; None where it was not measured.
    """

    name: str
    goal: float
    floor: float
    unit: str
    more_is_better: bool
    reached: Callable[[Table], float | None]

    def verdict(self, value: float) -> str:
        """Says which of the two a figure reaches."""
        sign = 1 if self.more_is_better else -1
        if sign * value >= sign * self.goal:
            return "goal reached"
        return "floor reached" if sign * value >= sign * self.floor else "below the floor"


def _times_faster(rows: int, stage: str | None = None) -> Callable[[Table], float | None]:
    def reached(table: Table) -> float | None:
        stock, own = table.get((rows, STOCK)), table.get((rows, LOCAL))
        if stock is None or own is None:
            return None
        if stage is None:
            return ratio(stock.seconds, own.seconds)
        return ratio(stock.stage(stage), own.stage(stage))

    return reached


def _peak_gigabytes(rows: int) -> Callable[[Table], float | None]:
    return lambda table: table[rows, LOCAL].peak_bytes / 1e9 if (rows, LOCAL) in table else None


def _slowest_second_run(table: Table) -> float | None:
    times = [cell.again_seconds for (_, system), cell in table.items() if system == LOCAL]
    return max((time for time in times if time is not None), default=None)


def growth(fewer: int, more: int) -> Callable[[Table], float | None]:
    """Growth of the wall time over growth of the rows: 1 is linear, less is better."""

    def reached(table: Table) -> float | None:
        small, large = table.get((fewer, LOCAL)), table.get((more, LOCAL))
        if small is None or large is None:
            return None
        return (large.seconds / small.seconds) / (more / fewer)

    return reached


GOALS = (
    Goal("whole run, 300k rows, against stock", 9, 6, "x", True, _times_faster(300_040)),
    Goal("whole run, 15k rows, against stock", 3, 2.3, "x", True, _times_faster(15_002)),
    Goal("ExampleGen, 300k", 20, 15, "x", True, _times_faster(300_040, "ExampleGen")),
    Goal("Evaluator, 300k, 25 slices", 20, 15, "x", True, _times_faster(300_040, "Evaluator")),
    Goal("statistics, 300k", 6, 3, "x", True, _times_faster(300_040, "StatisticsGen")),
    Goal("Transform, 300k", 4, 2.5, "x", True, _times_faster(300_040, "Transform")),
    Goal("peak memory, 3M rows", 1.5, 2.5, " GB", False, _peak_gigabytes(3_000_400)),
    Goal("unchanged second run, wall, slowest size", 2, 5, " s", False, _slowest_second_run),
    Goal("growth from 300k to 3M, 1 is linear", 1, 1.2, "", False, growth(300_040, 3_000_400)),
)


def write(folder: Path, machine: Mapping[str, Any], runs: Sequence[Run]) -> None:
    """Writes page and picture.

    Args:
        folder: Where to.
        machine: What was measured on.
        runs: All of one commit.
    """
    from benchmarks import picture

    table = cells(runs)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(page(machine, runs), encoding="utf-8")
    picture.draw(table, folder / PICTURE)


def page(machine: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """Returns the page as Markdown."""
    table = cells(runs)
    sizes = dict.fromkeys(rows for rows, _ in table)
    parts = [
        "# How fast\n\nWritten by `make bench`; not to be edited by hand.",
        _conditions(machine, runs),
        f"![Seconds per stage]({PICTURE})",
        _goals(table),
        *(_size(rows, {s: c for (size, s), c in table.items() if size == rows}) for rows in sizes),
        _outcomes(table),
        _HOW,
    ]
    return "\n\n".join(parts) + "\n"


def _conditions(machine: Mapping[str, Any], runs: Sequence[Run]) -> str:
    loads = [run["first"]["load_before"] for run in runs]
    others = max(run["first"]["others_cores"] for run in runs)
    finished = sorted(run["finished"] for run in runs)
    lines = [
        f"{described(machine)}. Commit {runs[0]['commit']}, {finished[0]} to {finished[-1]} UTC.",
        f"Load average before the runs {min(loads):.1f} to {max(loads):.1f}; during a run other "
        f"programs kept at most {others:.1f} cores busy.",
    ]
    if others > BUSY_CORES:
        lines.append(
            "**Measured on a machine that was busy with other work: first figures only.** Ratios "
            "suffer less than seconds, as the systems took turns."
        )
    if not all(run["engine_named"] for run in runs):
        lines.append(
            "Recipes of this commit have no `engine.name`: `Trainyard, local` is the one engine "
            "there is."
        )
    return "\n\n".join(lines)


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _goals(table: Table) -> str:
    rows = []
    for goal in GOALS:
        value = goal.reached(table)
        found = ["not measured", ""]
        if value is not None:
            found = [f"{value:.2f}{goal.unit}", goal.verdict(value)]
        rows.append([goal.name, f"{goal.goal:g}{goal.unit}", f"{goal.floor:g}{goal.unit}", *found])
    header = ["Trainyard's local engine", "goal", "floor", "reached", ""]
    return f"## Goals\n\n{_markdown(header, rows)}"


def _size(rows: int, systems: Mapping[str, Cell]) -> str:
    """One table: a line a stage, then the whole; each system beside its ratio to stock."""
    header = [""]
    for system in systems:
        header += [TITLES[system]] + ["faster"] * (system != STOCK and STOCK in systems)
    lines = [
        _line(stage, systems, lambda cell, stage=stage: cell.stage(stage))
        for stage in (*STAGES, OUTSIDE)
    ]
    lines.append(_line("**in all, seconds**", systems, lambda cell: cell.seconds, bold=True))
    lines.append(_line("unchanged second run, seconds", systems, lambda cell: cell.again_seconds))
    lines.append(_line("processor seconds", systems, lambda cell: cell.processor_seconds))
    lines.append(_line("peak memory, GB", systems, lambda cell: cell.peak_bytes / 1e9, decimals=2))
    repeats = ", ".join(
        f"{TITLES[system]} {len(cell.runs)} ({cell.spread} s)" for system, cell in systems.items()
    )
    return (
        f"## {rows:,} rows\n\nSeconds, medians; `faster`: stock's time over this one. Runs: "
        f"{repeats}.\n\n{_markdown(header, lines)}"
    )


def _line(
    name: str,
    systems: Mapping[str, Cell],
    read: Callable[[Cell], float | None],
    *,
    bold: bool = False,
    decimals: int = 1,
) -> list[str]:
    mark = "**" if bold else ""
    line = [name]
    for system, cell in systems.items():
        value = read(cell)
        line.append("" if value is None else f"{mark}{value:.{decimals}f}{mark}")
        if system != STOCK and STOCK in systems:
            times = ratio(read(systems[STOCK]), value)
            line.append("" if times is None else f"{mark}{times:.1f}x{mark}")
    return line


def _outcomes(table: Table) -> str:
    rows = [
        [
            f"{size:,}",
            TITLES[system],
            f"{cell.outcome['example_count']:,.0f}",
            f"{cell.outcome['slices']:.0f}",
            f"{cell.outcome['accuracy']:.4f}",
            f"{cell.outcome['auc']:.4f}",
        ]
        for (size, system), cell in table.items()
        if cell.outcome
    ]
    header = ["rows", "system", "rows judged", "slices", "accuracy", "auc"]
    return (
        "## Was it the same work?\n\nWhat each Evaluator found, read with `tfma.load_eval_result` "
        "from the files it wrote. Splits are by a hash of the example, and Trainyard's examples "
        "hold the label too, so rows judged differ a little from stock's.\n\n"
        f"{_markdown(header, rows)}"
    )


_HOW = """\
## How it was measured

- **Stock TFX** (`benchmarks/stock_pipeline.py`): the component chain of the TFX 1.16 Chicago taxi
  example (CsvExampleGen, StatisticsGen, SchemaGen, ExampleValidator, Transform with statistics off,
  Trainer, Resolver, Evaluator, Pusher) with LocalDagRunner and Beam's direct runner. Its module
  (`benchmarks/stock_taxi.py`) calls the same preprocessing and the same Keras 3 network, and reads
  and exports as the example does. Steps, batch size, features and split are in
  `benchmarks/taxi.yaml` for all systems; three metrics (count, accuracy, area under the curve) on
  25 slices (all rows, 24 hours).
- **Trainyard** runs that recipe as any other, with everything a run does: the gate, the contract
  check before the push, the record, the report, and two plots a slice that stock is not asked for.
- Systems take turns in one sitting, each run in a process of its own and an empty folder. Wall time
  is from the start of the process to its exit. Stock's stages are timed by a wrapper around
  `Launcher.launch`, which LocalDagRunner calls once a node; Trainyard's are in its run record,
  around the same call.
- The unchanged second run is the same command again, after the first repetition. Stock evaluates
  again then, for its Resolver now finds the model that is to be judged.
- Peak memory is the largest sum of resident memory over the process and its children, sampled ten
  times a second, or the kernel's high-water mark of the process, whichever is larger.
- Larger sets are copies of the 15,002 public trips with fresh noise on money, miles and places
  (`benchmarks/taxi_rows.py`, fixed seed)."""
