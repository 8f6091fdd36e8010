"""Rows of text in columns that line up, Chinese and Latin alike, for what a desk prints."""

from collections.abc import Iterable, Sequence
from typing import Final

from workers.adjudication.page import harmless, width

_GAP: Final = "  "


def aligned(rows: Iterable[Sequence[str]], *, left: int = 1, indent: int = 4) -> list[str]:
    """The rows as lines, each column as wide as its widest cell: the first `left` columns flush left, the rest right.

    A row may be shorter than the others; an empty column takes no room.
    """
    table = [[harmless(cell) for cell in row] for row in rows]
    columns = max((len(row) for row in table), default=0)
    widths = [max((width(row[at]) for row in table if at < len(row)), default=0) for at in range(columns)]
    lines: list[str] = []
    for row in table:
        cells = []
        for at, cell in enumerate(row):
            if widths[at]:
                room = " " * (widths[at] - width(cell))
                cells.append(cell + room if at < left else room + cell)
        lines.append((" " * indent + _GAP.join(cells)).rstrip())
    return lines
