"""Draws a dashboard's panels at their places, in Grafana's colours, with what a run gave: a likeness, not Grafana."""

import math
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from fontTools.ttLib import TTCollection
from matplotlib import dates, font_manager
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from ops.grafana.values import CARD, COLOURS, FAINT, GROUND, INK, RIM, Line, colour_of, meaning_of, said

PALETTE: Final = (
    *("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#96d98d", "#ffcb7d", "#c0d8ff"),
    *("#ffb357", "#fa6400", "#ff9830", "#a352cc", "#37872d", "#fade2a"),
)
COLOURS_MAX: Final = 255
"""A palette makes the files a third as large."""

COLUMN, UNIT, GAP, TOP, DOTS = 66, 36, 6, 62, 100
"""Pixels of a column, of a unit of height, between panels, of the head; and dots an inch."""

CHINA: Final = timezone(timedelta(hours=8))
LEGEND_MAX: Final = 6
STEPS: Final = (5, 10, 15, 30, 60, 120, 300, 900, 3600)
"""Seconds between two times on an axis."""
FONTS: Final = "/usr/share/fonts/opentype/noto/NotoSansCJK-{}.ttc"
SIMPLIFIED: Final = "Noto Sans CJK SC"


Asked = Callable[[dict[str, Any], dict[str, Any]], list[Line]]
"""What a panel's target came to."""


def use_chinese() -> None:
    """Registers the simplified face of Debian's fonts-noto-cjk: matplotlib would take the first, which is Japanese."""
    folder = Path(tempfile.mkdtemp(prefix="yidan-fonts-"))
    for weight in ("Regular", "Bold"):
        collection = TTCollection(FONTS.format(weight))
        (face,) = [font for font in collection.fonts if font["name"].getDebugName(1) == SIMPLIFIED]
        face.save(folder / f"{weight}.otf")
        font_manager.fontManager.addfont(folder / f"{weight}.otf")
    mpl.rcParams.update({"font.family": SIMPLIFIED, "font.size": 7.5, "axes.unicode_minus": False})


def draw(dashboard: dict[str, Any], asked: Asked, marks: Sequence[tuple[float, str]], note: str, to: Path) -> None:
    """The whole dashboard as a PNG; `marks` are moments with their colours."""
    below = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    width, height = 24 * COLUMN + 2 * GAP, below * UNIT + TOP + GAP
    figure = plt.figure(figsize=(width / DOTS, height / DOTS), dpi=DOTS, facecolor=GROUND)
    put = _Place(figure, width, height)
    put.words(GAP + 6, 26, dashboard["title"], size=13, weight="bold")
    put.words(GAP + 6, 48, note, size=7.5, colour="#e0b400")
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        if panel["type"] == "row":
            put.words(GAP + 6, TOP + place["y"] * UNIT + 24, "∨  " + panel["title"], size=9.5, weight="bold")
            continue
        box = (
            GAP + place["x"] * COLUMN + GAP / 2,
            TOP + place["y"] * UNIT + GAP / 2,
            place["w"] * COLUMN - GAP,
            place["h"] * UNIT - GAP,
        )
        found = [asked(panel, target) for target in panel["targets"]]
        KINDS[panel["type"]](put, panel, box, found, marks)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=DOTS, facecolor=GROUND)
    Image.open(drawn).convert("RGB").quantize(COLOURS_MAX, dither=Image.Dither.NONE).save(to, optimize=True)
    plt.close(figure)


Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels from the upper left corner."""


class _Place:
    """A figure that is measured in pixels from its upper left corner."""

    def __init__(self, figure: Figure, width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height

    def words(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        weight: str = "normal",
        colour: str = INK,
        ha: str = "left",
        va: str = "baseline",
    ) -> None:
        at = (x / self.width, 1 - y / self.height)
        self.figure.text(*at, text, fontsize=size, fontweight=weight, color=colour, ha=ha, va=va)

    def card(self, box: Box, colour: str = CARD, rim: str = RIM) -> None:
        x, y, w, h = box
        self.figure.add_artist(
            Rectangle(
                (x / self.width, 1 - (y + h) / self.height),
                w / self.width,
                h / self.height,
                transform=self.figure.transFigure,
                facecolor=colour,
                edgecolor=rim,
                linewidth=0.6,
                zorder=-1,  # below the axes, which come later or not at all
            )
        )

    def axes(self, box: Box) -> Axes:
        x, y, w, h = box
        return self.figure.add_axes(
            (x / self.width, 1 - (y + h) / self.height, w / self.width, h / self.height), facecolor=CARD
        )

    def head(self, panel: dict[str, Any], box: Box, colour: str = INK) -> None:
        self.words(box[0] + 8, box[1] + 17, panel["title"], size=8, weight="bold", colour=colour)


# ── kinds of panels ───────────────────────────────────────────────────────────────────────────────────────────

Found = list[list[Line]]
Marks = Sequence[tuple[float, str]]


def _stat(put: _Place, panel: dict[str, Any], box: Box, found: Found, _: Marks) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    (line, *_others) = found[0]
    word = meaning_of(panel, line.last)
    text, colour = word or (said(line.last, defaults["unit"], defaults.get("decimals")), colour_of(panel, line.last))
    filled = panel["options"]["colorMode"] == "background"
    put.card(box, colour if filled else CARD, colour if filled else RIM)
    put.head(panel, box, "#ffffff" if filled else INK)
    x, y, w, h = box
    sparks = panel["options"]["graphMode"] == "area" and len(line.points) > 1
    if sparks:
        ax = put.axes((x + 1, y + h * 0.66, w - 2, h * 0.34 - 1))
        ax.patch.set_alpha(0)
        times, values = zip(*line.points, strict=True)
        ax.fill_between(times, values, color="#ffffff" if filled else colour, alpha=0.22, linewidth=0)
        ax.plot(times, values, color="#ffffff" if filled else colour, linewidth=0.8, alpha=0.7)
        ax.set_ylim(bottom=0)
        ax.margins(x=0)
        ax.set_axis_off()
    size = min(24.0, 1.05 * w / max(4, len(text)), h / 4.6)
    put.words(
        x + w / 2,
        y + h * (0.5 if sparks else 0.56),
        text,
        size=size,
        weight="bold",
        colour="#ffffff" if filled else colour,
        ha="center",
        va="center",
    )


def _series(put: _Place, panel: dict[str, Any], box: Box, found: Found, marks: Marks) -> None:
    put.card(box)
    put.head(panel, box)
    defaults = panel["fieldConfig"]["defaults"]
    custom, unit = defaults["custom"], defaults["unit"]
    lines = sorted((line for lines in found for line in lines if line.points), key=lambda line: line.called)
    x, y, w, h = box
    shown = sorted(lines, key=lambda line: -max((v for _, v in line.points if not math.isnan(v)), default=0.0))
    legend = shown[:LEGEND_MAX]
    foot = 14 * math.ceil(len(legend) / 2) + 8
    margin = 74 if unit == "locale" else 52
    ax = put.axes((x + margin, y + 26, w - margin - 12, h - 26 - foot - 20))
    colours = {id(line): PALETTE[place % len(PALETTE)] for place, line in enumerate(lines)}
    bars = custom.get("drawStyle") == "bars"
    moments = sorted({time for line in lines for time, _ in line.points})
    if (custom.get("stacking") or {}).get("mode") == "normal":
        _stack(ax, lines, moments, colours)
    else:
        for line in lines:
            times, values = zip(*line.points, strict=True)
            when = [_moment(time) for time in times]
            if bars:
                ax.fill_between(when, values, step="mid", color=colours[id(line)], alpha=0.6, linewidth=0)
            else:
                ax.plot(when, values, color=colours[id(line)], linewidth=1.1)
                ax.fill_between(when, values, color=colours[id(line)], alpha=0.07, linewidth=0)
    steps = defaults.get("thresholds", {}).get("steps", [])
    top = max((value for line in lines for _, value in line.points if not math.isnan(value)), default=1.0)
    for step in steps[1:] if custom.get("thresholdsStyle", {}).get("mode") == "dashed" else ():
        if step["value"] < 3 * top:
            ax.axhline(step["value"], color=COLOURS[step["color"]], linewidth=0.9, linestyle=(0, (5, 4)))
    for moment, colour in marks:
        ax.axvline(_moment(moment), color=COLOURS[colour], linewidth=0.8, linestyle=(0, (2, 2)), alpha=0.9)
    ax.set_ylim(bottom=0, top=None if top else 1)
    _grid(
        ax, moments, lambda value, _: said(value, unit if unit in ("s", "percentunit", "bytes", "locale") else "short")
    )
    for place, line in enumerate(legend):
        left = x + 12 + (place % 2) * (w / 2 - 6)
        down = y + h - foot + 12 + 14 * (place // 2)
        put.words(left, down, "━", size=7, colour=colours[id(line)])
        peak = max(value for _, value in line.points if not math.isnan(value)) if line.last == line.last else math.nan
        name = line.called if len(line.called) <= w / 17 else line.called[: int(w / 17) - 1] + "…"
        put.words(left + 15, down, f"{name}  {said(peak, unit)}", size=6.6, colour=FAINT)
    if len(shown) > LEGEND_MAX:
        put.words(x + w - 8, y + 17, f"+{len(shown) - LEGEND_MAX}", size=6.6, colour=FAINT, ha="right")


def _stack(ax: Axes, lines: list[Line], moments: list[float], colours: dict[int, str]) -> None:
    if not lines:
        return
    at = [dict(line.points) for line in lines]
    rows = [[0.0 if math.isnan(one.get(time, 0.0)) else one.get(time, 0.0) for time in moments] for one in at]
    ax.stackplot(
        [_moment(time) for time in moments],
        rows,
        colors=[colours[id(line)] for line in lines],
        alpha=0.55,
        linewidth=0,
    )


def _moment(time: float) -> datetime:
    return datetime.fromtimestamp(time, CHINA)


def _grid(ax: Axes, moments: list[float], written: Callable[[float, int], str]) -> None:
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(FuncFormatter(written))
    ax.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S", tz=CHINA))
    ax.grid(color=RIM, linewidth=0.5)
    ax.tick_params(colors=FAINT, labelsize=6.3, length=0, pad=3)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if moments:
        step = next((step for step in STEPS if (moments[-1] - moments[0]) / step <= 5), STEPS[-1])
        first = math.ceil(moments[0] / step)
        ticks = [_moment(tick * step) for tick in range(first, 1 + math.floor(moments[-1] / step))]
        ax.set_xticks([float(dates.date2num(tick)) for tick in ticks])
        ax.set_xlim(_moment(moments[0]), _moment(moments[-1]))


def _gauges(put: _Place, panel: dict[str, Any], box: Box, found: Found, _: Marks) -> None:
    put.card(box)
    put.head(panel, box)
    defaults = panel["fieldConfig"]["defaults"]
    lines = sorted((line for lines in found for line in lines), key=lambda line: line.called)
    x, y, w, h = box
    room = (h - 34) / max(1, len(lines))
    thick = min(20.0, room * 0.5)
    top = defaults.get("max") or max((line.last for line in lines), default=1.0) or 1.0
    for place, line in enumerate(lines):
        down = y + 30 + place * room
        put.words(x + 10, down + 10, line.called, size=7, colour=FAINT)
        long = w - 90
        put.card((x + 10, down + 14, long, min(thick, room - 18)), "#22252b", "#22252b")
        colour = colour_of(panel, line.last)
        put.card((x + 10, down + 14, max(1.0, long * min(1.0, line.last / top)), min(thick, room - 18)), colour, colour)
        text = said(line.last, defaults["unit"], defaults.get("decimals"))
        put.words(
            x + w - 10,
            down + 14 + min(thick, room - 18) / 2,
            text,
            size=9,
            weight="bold",
            colour=colour,
            ha="right",
            va="center",
        )


def _states(put: _Place, panel: dict[str, Any], box: Box, found: Found, _: Marks) -> None:
    put.card(box)
    put.head(panel, box)
    lines = sorted((line for lines in found for line in lines if line.points), key=lambda line: line.called)
    x, y, w, h = box
    left = 30 if max((len(line.called) for line in lines), default=0) < 4 else 178
    ax = put.axes((x + left, y + 28, w - left - 12, h - 28 - 24))
    moments = sorted({time for line in lines for time, _ in line.points})
    step = min((b - a for a, b in pairwise(moments)), default=1.0)
    for place, line in enumerate(lines):
        for begins, ends, value in _bands(line.points, step):
            text, colour = meaning_of(panel, value) or (f"{value:g}", FAINT)
            low = len(lines) - 1 - place
            first, last = (dates.date2num(_moment(moment)) for moment in (begins, ends))
            ax.barh(low, last - first, left=first, height=0.82, color=colour, alpha=0.85, linewidth=0)
            if ends - begins > 0.14 * (moments[-1] - moments[0]):
                ax.text(first + (last - first) / 2, low, text, ha="center", va="center", fontsize=6.8, color="#ffffff")
    ax.set_ylim(-0.5, len(lines) - 0.5)
    _grid(ax, moments, lambda value, _: "")
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_yticks(range(len(lines)), [line.called for line in reversed(lines)])
    ax.grid(visible=False, axis="y")


def _bands(points: list[tuple[float, float]], step: float) -> list[tuple[float, float, float]]:
    found: list[tuple[float, float, float]] = []
    for time, value in points:
        if found and found[-1][2] == value and time - found[-1][1] < 1.5 * step:
            found[-1] = (found[-1][0], time, value)
        else:
            found.append((found[-1][1] if found and time - found[-1][1] < 1.5 * step else time, time, value))
    return found


def _table(put: _Place, panel: dict[str, Any], box: Box, found: Found, _: Marks) -> None:
    put.card(box)
    put.head(panel, box)
    organised = panel["transformations"][-1]["options"]
    names = {
        name: organised["renameByName"][name]
        for name in sorted(organised["indexByName"], key=organised["indexByName"].get)
    }
    defaults = panel["fieldConfig"]["defaults"]
    cells: dict[tuple[tuple[str, str], ...], dict[str, str | float]] = {}
    for place, lines in enumerate(found):
        column = f"Value #{'ABCDEFGHIJ'[place]}" if len(found) > 1 else "Value"
        for line in lines:
            labels = {name: value for name, value in line.labels.items() if name in names}
            row = cells.setdefault(tuple(sorted(labels.items())), {**labels})
            row[column] = line.last
    rows = list(cells.values())
    sort = next(iter(panel["options"].get("sortBy") or []), None)
    if sort is not None:
        (by,) = [name for name, heading in names.items() if heading == sort["displayName"]]
        rows.sort(key=lambda row: (isinstance(row.get(by, 0.0), str), row.get(by, 0.0)), reverse=True)
    _cells(put, box, names, rows, lambda value: said(value, defaults["unit"], defaults.get("decimals")))


def _cells(
    put: _Place,
    box: Box,
    names: dict[str, str],
    rows: list[dict[str, str | float]],
    written: Callable[[float], str],
) -> None:
    x, y, w, h = box
    used = [name for name in names if any(name in row for row in rows)]
    texts = [
        [str(value) if isinstance(value := row.get(name, ""), str) else written(value) for name in used] for row in rows
    ]
    wide = [max(_wide(names[name]), *(_wide(line[place]) for line in texts), 1) for place, name in enumerate(used)]
    scale = (w - 16) / sum(wide)
    edges = [x + 8 + scale * sum(wide[:place]) for place in range(len(used) + 1)]
    fit = int((h - 46) / 19)
    for place, name in enumerate(used):
        most = int(scale * wide[place] / 6.2)
        right = any(isinstance(row.get(name), float) for row in rows)
        at, ha = (edges[place + 1] - 10, "right") if right else (edges[place] + 4, "left")
        put.words(at, y + 38, names[name], size=7, weight="bold", colour="#6e9fff", ha=ha)
        for down, line in enumerate(texts[:fit]):
            text = line[place] if _wide(line[place]) <= most else line[place][: most - 1] + "…"
            put.words(at, y + 57 + 19 * down, text, size=7, ha=ha)
    for down in range(min(fit, len(texts)) + 1):
        put.card((x + 6, y + 43 + 19 * down, w - 12, 0.5), RIM, RIM)


def _wide(text: str) -> int:
    return sum(2 if ord(letter) > 0x2E80 else 1 for letter in text) + 2


KINDS: Final[dict[str, Callable[[_Place, dict[str, Any], Box, Found, Marks], None]]] = {
    "stat": _stat,
    "timeseries": _series,
    "bargauge": _gauges,
    "state-timeline": _states,
    "table": _table,
}
