"""Curves over one axis in an SVG: each a line of its own scale-free labels, all against one logarithmic height."""

from collections.abc import Sequence
from html import escape
from math import log10
from typing import Final, NamedTuple

WIDTH: Final = 900
HEIGHT: Final = 380
LEFT, RIGHT, TOP, BOTTOM = 60, 190, 44, 70


class Curve(NamedTuple):
    """A name, a height over each place, a colour."""

    name: str
    heights: Sequence[float]
    colour: str


def curves(title: str, caption: str, axis: str, across: Sequence[float], drawn: Sequence[Curve]) -> str:
    """The picture. Heights are drawn by their logarithm: a latency and a batch size grow by factors."""
    highest = max(max(curve.heights) for curve in drawn)
    top = 10.0 ** _ceiling(log10(highest))
    furthest = max(across)

    def x(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * place / furthest

    def y(height: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * log10(max(1.0, height)) / log10(top)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="10" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    step = 1.0
    while step <= top:
        for part in (1, 3):
            if (height := step * part) <= top:
                lines.append(
                    f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(height):.1f}" y2="{y(height):.1f}" stroke="#e4e4e4"/>'
                )
                lines.append(
                    f'<text x="{LEFT - 8}" y="{y(height) + 4:.1f}" text-anchor="end" fill="#555">{height:g}</text>'
                )
        step *= 10
    for place in across:
        lines.append(
            f'<text x="{x(place):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#555">{place:g}</text>'
        )
    for curve in drawn:
        points = [(x(place), y(height)) for place, height in zip(across, curve.heights, strict=True)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{curve.colour}" stroke-width="2"/>')
        for (a, b), height in zip(points, curve.heights, strict=True):
            lines.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{curve.colour}"/>')
            lines.append(
                f'<text x="{a:.1f}" y="{b - 8:.1f}" text-anchor="middle" fill="{curve.colour}">{height:.0f}</text>'
            )
        a, b = points[-1]
        lines.append(f'<text x="{a + 12:.1f}" y="{b + 4:.1f}" fill="{curve.colour}">{escape(curve.name)}</text>')
    lines += [
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - BOTTOM + 40}" text-anchor="middle">{escape(axis)}</text>',
        f'<text x="10" y="{HEIGHT - 10}" font-size="11" fill="#555">{escape(caption)}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _ceiling(value: float) -> int:
    return max(1, int(-(-value // 1)))
