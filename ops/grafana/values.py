"""Values as a dashboard shows them: written by unit, coloured by threshold, or put into the word that they mean."""

import math
from typing import Any, Final, NamedTuple

GROUND, CARD, RIM, INK, FAINT = "#111217", "#181b1f", "#2c3235", "#d5d6de", "#8e8f99"
COLOURS: Final = {
    "green": "#56a64b",
    "yellow": "#d9a400",
    "orange": "#e0752d",
    "red": "#d2374a",
    "blue": "#5794f2",
    "text": "#5a5f69",
    "transparent": CARD,
}


class Line(NamedTuple):
    """A series: what it is called, and its points; or its one value."""

    called: str
    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def last(self) -> float:
        return next((value for _, value in reversed(self.points) if not math.isnan(value)), math.nan)


def said(value: float, unit: str, decimals: int | None = None) -> str:
    """A value as Grafana would say it, near enough."""
    if math.isnan(value):
        return "–"
    match unit:
        case "percentunit":
            return f"{value * 100:.{1 if decimals is None else decimals}f}%"
        case "s" | "dtdurations":
            return _duration(value)
        case "bytes":
            return next(
                f"{value / size:.1f} {name}"
                for size, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
                if value >= size or size == 1
            )
        case "locale":
            return f"{value:,.{0 if decimals is None and abs(value) >= 100 else 2 if decimals is None else decimals}f}"
        case "cps" | "ops":
            return f"{_short(value, decimals)} {'c/s' if unit == 'cps' else 'ops/s'}"
    return _short(value, decimals)


def _short(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds * 1000:.3g} ms" if seconds else "0 s"


def colour_of(panel: dict[str, Any], value: float) -> str:
    """The colour of the last threshold that a value has reached."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    colour = steps[0]["color"]
    for step in steps[1:]:
        if value >= step["value"]:
            colour = step["color"]
    return COLOURS[colour]


def meaning_of(panel: dict[str, Any], value: float) -> tuple[str, str] | None:
    """Word and colour that a value is mapped to."""
    for mapping in panel["fieldConfig"]["defaults"].get("mappings", ()):
        options = mapping["options"]
        if mapping["type"] == "value" and (result := options.get(f"{value:g}")):
            return result["text"], COLOURS[result["color"]]
        if mapping["type"] == "range" and options["from"] <= value <= options["to"]:
            return options["result"]["text"], COLOURS[options["result"]["color"]]
    return None
