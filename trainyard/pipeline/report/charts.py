"""The larger charts, by matplotlib, as inline SVG with the page's colours and font.

Charts are drawn with stand-in colours that become CSS variables, so that one
drawing is readable on a light and on a dark page. Text stays text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from trainyard.pipeline.measured import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Stand-in colour -> the page's. Blue and orange of Okabe and Ito's palette, which
# people with any kind of colour blindness tell apart.
INK, MUTED, LINE, BLUE, ORANGE = "#010203", "#020304", "#030405", "#040506", "#050607"
_COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "trainyard",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "text.color": INK,
    "lines.linewidth": 1.8,
    "figure.constrained_layout.use": True,
}

Points = tuple[Sequence[float], Sequence[float]]


def _chart(
    name: str, label: str, draw: Callable[[Axes], None], size: tuple[float, float] = (3.5, 2.7)
) -> Markup:
    """Draws one pair of axes.

    Args:
        name: Unique in the page: all ids begin with it.
        label: What the chart shows, for those who do not see it.
        draw: Draws on the axes.
        size: Width and height in inches.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size)
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.set_title("")
        draw(axes)
        file = io.StringIO()
        bare = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=bare)
    return _inline(file.getvalue(), name, label)


def _inline(document: str, name: str, label: str) -> Markup:
    svg = document[document.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\1{name}-", svg)
    svg = re.sub(r"font: ([\w.]+) [^;\"]*", r"font: \1 var(--sans)", svg)
    for stand_in, colour in _COLOURS.items():
        svg = svg.replace(stand_in, colour)
    opening = re.match(r"<svg[^>]*>", svg)
    assert opening
    view = re.search(r'viewBox="([^"]*)"', opening.group())
    assert view
    head = f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="{view.group(1)}">'
    return Markup(head + svg[opening.end() :])


def training_curve(
    name: str, metric: str, curves: Mapping[str, Sequence[float | None]], best_epoch: int
) -> Markup:
    """Draws one metric over the epochs.

    Args:
        name: Unique in the page.
        metric: The vertical axis.
        curves: One value an epoch by the curve's label, such as `training`.
        best_epoch: Counted from 1; 0 if unknown.
    """
    from matplotlib.ticker import MaxNLocator

    def draw(axes: Axes) -> None:
        colours = {"validation": ORANGE}
        for label, values in curves.items():
            epochs = range(1, len(values) + 1)
            points = [float("nan") if value is None else value for value in values]
            colour = colours.get(label, BLUE)
            marker = "o" if len(points) == 1 else None
            axes.plot(epochs, points, color=colour, marker=marker, markersize=4)
            if len(curves) > 1:
                higher = points[-1] >= max(float(other[-1] or 0) for other in curves.values())
                side = "bottom" if higher else "top"
                _label_end(axes, len(points), points[-1], label, colour, side)
        if best_epoch:
            axes.axvline(best_epoch, color=MUTED, linewidth=0.9, linestyle=(0, (3, 3)))
            late = best_epoch > 0.6 * max(map(len, curves.values()))
            axes.annotate(
                f"best: {best_epoch}",
                (best_epoch, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(-3 if late else 3, 2),
                textcoords="offset points",
                ha="right" if late else "left",
                fontsize=7.5,
                color=MUTED,
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(metric)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.ticklabel_format(axis="y", useOffset=False)

    return _chart(name, f"{metric} over the epochs", draw)


def learning_rate(name: str, noted: Points) -> Markup:
    """Draws the learning rate over the steps: it moves within epochs too.

    Args:
        name: Unique in the page.
        noted: Steps, counted from 0, and their rates.
    """
    from matplotlib.ticker import MaxNLocator

    def draw(axes: Axes) -> None:
        axes.plot(*noted, color=BLUE, marker="o" if len(noted[0]) == 1 else None, markersize=4)
        axes.set(xlabel="step", ylabel="learning rate")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))

    return _chart(name, "learning rate over the steps", draw)


def _label_end(
    axes: Axes, x: float, y: float, label: str, colour: str, side: str = "center"
) -> None:
    place: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "va": side}
    axes.annotate(label, (x, y), color=colour, fontsize=8, **place)


def curve(
    name: str,
    axes_names: tuple[str, str],
    candidate: Points,
    baseline: Points | None,
    chance: Points,
) -> Markup:
    """Draws a ROC or precision-recall curve in the unit square.

    Args:
        name: Unique in the page.
        axes_names: Of the horizontal and the vertical axis.
        candidate: Its points.
        baseline: The model in service's, if there is one.
        chance: What guessing gives.
    """

    def draw(axes: Axes) -> None:
        axes.plot(*chance, color=LINE, linewidth=1.2)
        _label_middle(axes, chance, "guessing", MUTED)
        if baseline:
            axes.plot(*baseline, color=ORANGE, linewidth=1.2)
        axes.plot(*candidate, color=BLUE)
        _unit_square(axes, axes_names)

    return _chart(name, f"{axes_names[1]} against {axes_names[0]}", draw, (3.3, 3.1))


def _label_middle(axes: Axes, points: Points, label: str, colour: str) -> None:
    at = (sum(points[0]) / len(points[0]), sum(points[1]) / len(points[1]))
    axes.annotate(label, at, xytext=(3, -9), textcoords="offset points", color=colour, fontsize=8)


def _unit_square(axes: Axes, axes_names: tuple[str, str]) -> None:
    axes.set(xlim=(-0.01, 1.02), ylim=(-0.01, 1.02), xlabel=axes_names[0], ylabel=axes_names[1])
    axes.set_aspect("equal")


def calibration(name: str, points: Sequence[tuple[float, float, float]]) -> Markup:
    """Draws the observed share of positives against the predicted probability.

    Args:
        name: Unique in the page.
        points: Mean prediction, mean label and number of examples of each bucket.
    """

    def draw(axes: Axes) -> None:
        axes.plot((0, 1), (0, 1), color=LINE, linewidth=1.2)
        _label_middle(axes, ((0, 1), (0, 1)), "as predicted", MUTED)
        predicted, observed, counts = zip(*points, strict=True)
        most = max(counts)
        axes.plot(predicted, observed, color=BLUE, linewidth=1.0)
        axes.scatter(predicted, observed, [10 + 70 * count / most for count in counts], color=BLUE)
        _unit_square(axes, ("predicted probability", "share of positives"))

    return _chart(name, "Share of positives against predicted probability", draw, (3.3, 3.1))


def predicted_against_actual(name: str, label: str, pairs: Sequence[tuple[float, float]]) -> Markup:
    """Draws predictions against labels.

    Args:
        name: Unique in the page.
        label: The label's name.
        pairs: Label and prediction.
    """

    def draw(axes: Axes) -> None:
        actual, predicted = zip(*pairs, strict=True)
        ends = (min(actual), max(actual))
        axes.plot(ends, ends, color=LINE, linewidth=1.2)
        _label_end(axes, ends[1], ends[1], "equal", MUTED)
        axes.scatter(actual, predicted, 9, color=BLUE, alpha=0.55, linewidths=0)
        axes.set(xlabel=f"actual {_short(label)}", ylabel=f"predicted {_short(label)}")

    return _chart(name, f"Predicted against actual {label}", draw, (3.5, 3.0))


def residuals(name: str, label: str, pairs: Sequence[tuple[float, float]]) -> Markup:
    """Draws how the errors are spread.

    Args:
        name: Unique in the page.
        label: The label's name.
        pairs: Label and prediction.
    """

    def draw(axes: Axes) -> None:
        errors = [predicted - actual for actual, predicted in pairs]
        axes.hist(errors, bins="auto" if len(errors) > 30 else 10, color=BLUE, rwidth=0.94)
        axes.axvline(0, color=INK, linewidth=0.9)
        mean = sum(errors) / len(errors)
        axes.axvline(mean, color=ORANGE, linewidth=1.2)
        axes.set_title(f"mean error {number(mean)}", color=ORANGE, fontsize=8, fontweight="normal")
        axes.set(xlabel=f"predicted - actual {_short(label)}", ylabel="examples")

    return _chart(name, f"Histogram of the errors of {label}", draw, (3.5, 3.0))


def _short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
