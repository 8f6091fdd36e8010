"""Where figures go: rows of `results.csv`, a table on the terminal, bars in an SVG."""

import csv
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

RESULTS: Final = Path(__file__).with_name("results.csv")
COLUMNS: Final = ("date", "commit", "what", "machine", "seed", "events", "events_per_second", "microseconds", "detail")

BAR: Final = 22
LABELS: Final = 300
WIDTH: Final = 900


class Row(NamedTuple):
    """One figure: of how many events, how many a second by the clock, and microseconds of processor each."""

    what: str
    seed: int
    events: int
    per_second: float
    microseconds: float
    detail: str


def of_seconds(what: str, seed: int, events: int, seconds: float, detail: str) -> Row:
    """A row of something that was measured in processor seconds an event only."""
    return Row(what, seed, events, 1 / seconds, seconds * 1e6, detail)


def commit() -> str:
    """The commit that was measured, with a plus where the checkout differs from it."""
    words = ["git", "describe", "--always", "--exclude=*", "--dirty=+"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> str:
    """The machine, as far as a row tells it."""
    return f"{platform.machine()} Python {platform.python_version()}"


def write_rows(found: Iterable[Row]) -> None:
    """Append to the results."""
    today, at, on = datetime.now(UTC).date(), commit(), machine()
    new = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        if new:
            rows.writerow(COLUMNS)
        for row in found:
            figures = (row.events, round(row.per_second), round(row.microseconds, 1), row.detail)
            rows.writerow((today, at, row.what, on, row.seed, *figures))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of text: the first to the left, the others to the right."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def bars(title: str, caption: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """An SVG of horizontal bars: label, length, and the words behind the bar. Plain ASCII in whatever sans serif."""
    longest = max(value for _, value, _ in rows)
    room = WIDTH - LABELS - 190
    height = 64 + len(rows) * (BAR + 8)
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="10" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (label, value, words) in enumerate(rows):
        top = 36 + number * (BAR + 8)
        length = max(1, round(room * value / longest))
        colour = "#1f6f8b" if label.startswith("yidan") else "#b8b8b8"
        drawn += [
            f'<text x="{LABELS - 10}" y="{top + 16}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{LABELS}" y="{top}" width="{length}" height="{BAR}" fill="{colour}"/>',
            f'<text x="{LABELS + length + 8}" y="{top + 16}">{escape(words)}</text>',
        ]
    drawn += [f'<text x="10" y="{height - 10}" font-size="11" fill="#555">{escape(caption)}</text>', "</svg>"]
    return "\n".join(drawn) + "\n"
