"""A picture of a model's layers as SVG: Keras's own needs graphviz."""

from __future__ import annotations

import itertools
from html import escape

import keras

from trainyard.wording import counted

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 230, 44, 16, 34, 12
MOST_IN_A_ROW = 8
"""A table with a hundred categories has two hundred layers beside each other."""


def draw(model: keras.Model) -> str:
    """Draws the layers from inputs (above) to outputs.

    Args:
        model: A built model; other than functional ones are drawn as a list.

    Returns:
        An SVG document.
    """
    rows = _rows(model)
    shown = [row[:MOST_IN_A_ROW] for row in rows]
    width = max(map(len, shown)) * (WIDTH + GAP_X) + GAP_X + 2 * MARGIN
    places = {
        layer: (
            (width - len(row) * (WIDTH + GAP_X) + GAP_X) / 2 + x * (WIDTH + GAP_X),
            MARGIN + y * (HEIGHT + GAP_Y),
        )
        for y, row in enumerate(shown)
        for x, layer in enumerate(row)
    }
    parts = [_line(places[a], places[b]) for b in places for a in _before(b) if a in places]
    parts += [_box(layer, *place) for layer, place in places.items()]
    for y, row in enumerate(rows):
        if len(row) > MOST_IN_A_ROW:
            parts.append(_more(len(row) - MOST_IN_A_ROW, width, MARGIN + y * (HEIGHT + GAP_Y)))
    height = len(rows) * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="system-ui, sans-serif" '
        f'font-size="12">{"".join(parts)}</svg>'
    )


def _before(layer: keras.Layer) -> list[keras.Layer]:
    """The layers that one takes from, perhaps by way of operations that are no layers."""
    nodes = getattr(layer, "_inbound_nodes", [])
    found = [tensor._keras_history.operation for node in nodes for tensor in node.input_tensors]
    layers = [[each] if isinstance(each, keras.Layer) else _before(each) for each in found]
    return list(dict.fromkeys(itertools.chain.from_iterable(layers)))


def _rows(model: keras.Model) -> list[list[keras.Layer]]:
    depth: dict[keras.Layer, int] = {}
    for layer in model.layers:  # Keras lists a layer after those that it takes from
        depth[layer] = 1 + max((depth.get(other, -1) for other in _before(layer)), default=-1)
    rows: list[list[keras.Layer]] = [[] for _ in range(max(depth.values()) + 1)]
    for layer, row in depth.items():
        rows[row].append(layer)
    return rows


def _box(layer: keras.Layer, x: float, y: float) -> str:
    shape = getattr(getattr(layer, "output", None), "shape", ())
    numbers = counted(layer.count_params(), "parameter") if layer.weights else ""
    detail = "  ".join(filter(None, (type(layer).__name__, str(tuple(shape[1:])), numbers)))
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="#eef3fb" stroke="#4a6fa5"/>{_text(layer.name[:28], x, y + 18, "600")}'
        f"{_text(detail, x, y + 34, '400')}"
    )


def _text(words: str, x: float, y: float, weight: str) -> str:
    size = 12 if weight == "600" else 9
    return (
        f'<text x="{x + WIDTH / 2:.0f}" y="{y:.0f}" text-anchor="middle" font-size="{size}" '
        f'font-weight="{weight}" fill="#1f2d3d">{escape(words)}</text>'
    )


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    return (
        f'<line x1="{start[0] + WIDTH / 2:.0f}" y1="{start[1] + HEIGHT:.0f}" '
        f'x2="{end[0] + WIDTH / 2:.0f}" y2="{end[1]:.0f}" stroke="#9ab"/>'
    )


def _more(count: int, width: float, y: float) -> str:
    return (
        f'<text x="{width - MARGIN}" y="{y + HEIGHT + 14:.0f}" text-anchor="end" '
        f'font-size="10" fill="#567">and {count} more beside these</text>'
    )
