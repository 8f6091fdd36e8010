"""Curves over one axis in an SVG: each a line of its own scale-free labels, all against one logarithmic height."""

from collections.abc import Sequence
from html import escape
from math import ceil, log10
from typing import Final, NamedTuple

WIDTH: Final = 900
HEIGHT: Final = 380
GREY: Final = "#555"
LEFT, RIGHT, TOP, BOTTOM = 60, 190, 44, 70


class Curve(NamedTuple):
    """A name, a height over each place, a colour."""

    name: str
    heights: Sequence[float]
    colour: str


def curves(title: str, caption: str, axis: str, across: Sequence[float], drawn: Sequence[Curve]) -> str:
    """The picture. Heights are drawn by their logarithm: a latency and a batch size grow by factors."""
    highest = max(max(curve.heights) for curve in drawn)
    top = 10.0 ** max(1, ceil(log10(highest)))
    furthest = max(across)

    def x(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * place / furthest

    def y(height: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * log10(max(1.0, height)) / log10(top)

    def words(left: float, base: float, anchor: str, colour: str, text: str) -> str:
        return f'<text x="{left:.1f}" y="{base:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="10" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for level in _levels(top):
        at = f"{y(level):.1f}"
        lines.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}" stroke="#e4e4e4"/>')
        lines.append(words(LEFT - 8, y(level) + 4, "end", GREY, f"{level:g}"))
    lines += [words(x(place), HEIGHT - BOTTOM + 20, "middle", GREY, f"{place:g}") for place in across]
    for name, heights, colour in drawn:
        points = [(x(place), y(height)) for place, height in zip(across, heights, strict=True)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (a, b), height in zip(points, heights, strict=True):
            lines.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>')
            lines.append(words(a, b - 8, "middle", colour, f"{height:.0f}"))
        a, b = points[-1]
        lines.append(words(a + 12, b + 4, "start", colour, name))
    lines += [
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - BOTTOM + 40}" text-anchor="middle">{escape(axis)}</text>',
        f'<text x="10" y="{HEIGHT - 10}" font-size="11" fill="#555">{escape(caption)}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _levels(top: float) -> list[float]:
    """1, 3, 10, 30 and so on, as far as the picture goes."""
    found, step = [], 1.0
    while step <= top:
        found += [level for level in (step, 3 * step) if level <= top]
        step *= 10
    return found
