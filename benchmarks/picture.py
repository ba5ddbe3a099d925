"""Draws results.svg: one panel a size, one bar a system, one colour a stage."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams |= {"svg.hashsalt": "trainyard", "font.size": 9}

from matplotlib import pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

from benchmarks.results import OUTSIDE, STAGES, STOCK, TITLES, Cell, Table, ratio  # noqa: E402

_REST = "other stages"
_COLOURS = {
    "ExampleGen": "#4477aa",
    "StatisticsGen": "#66ccee",
    "Transform": "#228833",
    "Trainer": "#ccbb44",
    "Evaluator": "#ee6677",
    _REST: "#aa3377",
    OUTSIDE: "#bbbbbb",
}  # Paul Tol's bright scheme: told apart by the colour-blind too


def draw(table: Table, target: Path) -> None:
    """Draws the median seconds per stage.

    Args:
        table: By size and system.
        target: The SVG file.
    """
    sizes = list(dict.fromkeys(rows for rows, _ in table))
    bars = [sum(size == rows for rows, _ in table) for size in sizes]
    figure, panels = pyplot.subplots(
        len(sizes),
        figsize=(9, 1.2 + 0.75 * len(sizes) + 0.42 * sum(bars)),
        squeeze=False,
        height_ratios=bars,
        layout="constrained",
    )
    for rows, panel in zip(sizes, panels[:, 0], strict=True):
        _panel(panel, rows, {s: cell for (size, s), cell in table.items() if size == rows})
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)


def _panel(panel: Axes, rows: int, systems: dict[str, Cell]) -> None:
    names = [TITLES[system] for system in systems]
    left = [0.0] * len(systems)
    for part, colour in _COLOURS.items():
        widths = [_seconds(cell, part) for cell in systems.values()]
        panel.barh(names, widths, left=left, color=colour, label=part, height=0.7)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, (system, cell) in enumerate(systems.items()):
        end = (left[place], place)
        text = _total(system, cell, systems)
        panel.annotate(text, end, (4, 0), textcoords="offset points", va="center")
    panel.invert_yaxis()
    panel.set_title(f"{rows:,} rows", loc="left")
    panel.set_xlabel("seconds, process start to exit")
    panel.set_xlim(0, max(left) * 1.18)
    panel.spines[["top", "right"]].set_visible(False)


def _seconds(cell: Cell, part: str) -> float:
    if part != _REST:
        return cell.stage(part) or 0.0
    return sum(cell.stage(stage) or 0.0 for stage in STAGES if stage not in _COLOURS)


def _total(system: str, cell: Cell, systems: dict[str, Cell]) -> str:
    times = (
        None
        if system == STOCK or STOCK not in systems
        else ratio(systems[STOCK].seconds, cell.seconds)
    )
    return f"{cell.seconds:.0f} s" + (f", {times:.1f}x" if times else "")
