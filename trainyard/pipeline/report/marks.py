"""Small drawings inside tables, as inline SVG that takes its colours from the page's style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from trainyard.pipeline.measured import number
from trainyard.pipeline.records import Finding

WIDTH, HEIGHT = 220, 26
_EDGE = 8.0
_SMALL = 64, 25
_BASE = f'<line class="axis" x1="0" x2="{_SMALL[0]}" y1="24.5" y2="24.5"/>'


@dataclass(frozen=True)
class Scale:
    """A linear scale from values to pixels.

    Attributes:
        low: The value at the left edge.
        high: The value at the right edge.
    """

    low: float
    high: float

    @classmethod
    def around(
        cls, values: Sequence[float], low: float = -math.inf, high: float = math.inf
    ) -> Scale:
        """Fits a scale around values, with some air, within a metric's range."""
        least, most = min(values), max(values)
        air = 0.25 * (most - least) or 0.05 * max(abs(most), 1e-9)
        return cls(max(low, least - air), min(high, most + air))

    @classmethod
    def of_findings(cls, findings: Sequence[Finding], low: float, high: float) -> Scale:
        """Takes the metric's own range; where that has no end, fits it to what findings show.

        Args:
            findings: On one metric.
            low: The least value it can have.
            high: The greatest.
        """
        points = [
            point
            for finding in findings
            for point in (finding.value, finding.low, finding.high, finding.baseline)
            if point is not None and math.isfinite(point)
        ]
        fitted = cls.around(points or [0.0], low, high)
        return cls(
            low if math.isfinite(low) else fitted.low, high if math.isfinite(high) else fitted.high
        )

    def __call__(self, value: float) -> float:
        """The place of a value, kept inside the drawing."""
        span = (self.high - self.low) or 1.0
        inside = min(max((value - self.low) / span, 0.0), 1.0)
        return _EDGE + inside * (WIDTH - 2 * _EDGE)


def finding_mark(finding: Finding, scale: Scale) -> Markup:
    """Draws a measured value against the bounds that were asked for.

    The band is what holds; the stroke at its end is the bound, the ring the baseline.

    Args:
        finding: A finding.
        scale: Shared by all findings on the metric.
    """
    if finding.value is None:
        return Markup()
    left = scale(finding.low) if finding.low is not None else 0.0
    right = scale(finding.high) if finding.high is not None else float(WIDTH)
    width = max(0.0, right - left)
    parts = [
        _axis(),
        f'<rect class="holds" x="{left:.1f}" width="{width:.1f}" y="6" height="14"/>',
        *(_tick(scale(end)) for end in (finding.low, finding.high) if end is not None),
        _ring(scale(finding.baseline)) if finding.baseline is not None else "",
        _dot(scale(finding.value), "good" if finding.ok else "bad"),
    ]
    return _svg(parts, f"{number(finding.value)}, asked: {finding.bound}")


def slice_mark(
    value: float, scale: Scale, overall: float, bounds: Sequence[Finding], ok: bool
) -> Markup:
    """Draws one slice's value beside that of all rows and the bounds on this slice.

    Args:
        value: The slice's.
        scale: Shared by all slices.
        overall: The value over all rows.
        bounds: The findings on this slice.
        ok: Whether all of them hold.
    """
    mean = f"{scale(overall):.1f}"
    ends = [end for bound in bounds for end in (bound.low, bound.high) if end is not None]
    parts = [
        _axis(),
        f'<line class="overall" x1="{mean}" x2="{mean}" y1="0" y2="{HEIGHT}"/>',
        *(_tick(scale(end)) for end in ends),
        _dot(scale(value), ("good" if ok else "bad") if bounds else "plain"),
    ]
    return _svg(parts, number(value))


def histogram(counts: Sequence[float], label: str, apart: bool, most: float) -> Markup:
    """Draws a small histogram.

    Args:
        counts: One a bar.
        label: What it shows, for those who do not see it.
        apart: Whether the bars are categories, which do not touch.
        most: The count of a bar that is as high as the drawing.
    """
    return _svg([*_bars(counts, most, apart), _BASE], label, *_SMALL)


def two_histograms(
    before: Sequence[float], now: Sequence[float], label: str, apart: bool = False
) -> Markup:
    """Draws one small histogram as bars and another as a line over them.

    Args:
        before: The line's heights, one a bar.
        now: The bars'.
        label: What it shows, for those who do not see it.
        apart: Whether the bars are categories, which do not touch.
    """
    most = max([*before, *now], default=0.0)
    across, high = _SMALL[0], _SMALL[1] - 1
    step = across / max(len(before), 1)
    tops = [high * (1 - height / (most or 1.0)) for height in before]
    steps = (f"H{i * step:.2f}V{top:.2f}H{(i + 1) * step:.2f}" for i, top in enumerate(tops))
    line = f'<path class="before" d="M0 {high}{"".join(steps)}V{high}"/>'
    return _svg([*_bars(now, most, apart), _BASE, line], label, *_SMALL)


def _bars(counts: Sequence[float], most: float, apart: bool) -> list[str]:
    across, high = _SMALL[0], _SMALL[1] - 1
    step, most = across / max(len(counts), 1), most or 1.0
    width = step * (0.72 if apart else 0.96)
    return [
        f'<rect class="bar" x="{i * step:.2f}" width="{width:.2f}" '
        f'y="{high * (1 - count / most):.2f}" height="{high * count / most:.2f}"/>'
        for i, count in enumerate(counts)
    ]


def arcs(
    names: Sequence[str], edges: Sequence[tuple[str, str]], states: Mapping[str, str]
) -> Markup:
    """Draws a DAG as a column of stages with an arc for each artifact handed on.

    Args:
        names: The stages in the order they run.
        edges: Pairs of producer and consumer, both among the names.
        states: What became of each stage.
    """
    row, left = 30, 24
    place = {name: row * (index + 0.5) for index, name in enumerate(names)}
    names_at = left + 14
    curves_at = names_at + 9 * max(map(len, names), default=0)
    bulge = max((abs(place[b] - place[a]) for a, b in edges), default=0.0)
    parts = [
        f'<circle class="stage {escape(states[name])}" cx="{left}" cy="{y}" r="5"/>'
        f'<text x="{names_at}" y="{y + 4.5}">{escape(name)}</text>'
        for name, y in place.items()
    ]
    for producer, consumer in dict.fromkeys(edges):
        above, below = place[producer], place[consumer]
        out = curves_at + 14 + 0.42 * (below - above)
        parts.append(
            f'<path class="arc" d="M{curves_at} {above} C{out} {above} {out} {below} '
            f'{curves_at} {below}"/><circle class="arrow" cx="{curves_at}" cy="{below}" r="2.5"/>'
        )
    told = "; ".join(f"{a} to {b}" for a, b in dict.fromkeys(edges))
    width = int(curves_at + 24 + 0.34 * bulge)
    return _svg(parts, f"Stages and what they hand on: {told}", width, row * max(len(names), 1))


def _axis() -> str:
    return f'<line class="axis" x1="0" x2="{WIDTH}" y1="{HEIGHT / 2}" y2="{HEIGHT / 2}"/>'


def _tick(x: float) -> str:
    return f'<line class="bound" x1="{x:.1f}" x2="{x:.1f}" y1="3" y2="{HEIGHT - 3}"/>'


def _dot(x: float, kind: str) -> str:
    return f'<circle class="dot {kind}" cx="{x:.1f}" cy="{HEIGHT / 2}" r="5"/>'


def _ring(x: float) -> str:
    return f'<circle class="ring" cx="{x:.1f}" cy="{HEIGHT / 2}" r="4.5"/>'


def _svg(parts: Sequence[str], label: str, width: int = WIDTH, height: int = HEIGHT) -> Markup:
    return Markup(
        f'<svg class="mark" role="img" aria-label="{escape(label)}" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}">{"".join(parts)}</svg>'
    )
