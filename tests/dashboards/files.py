"""The dashboards as they are committed, panel by panel."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).parents[2]
GRAFANA: Final = ROOT / "ops" / "grafana"
FILES: Final = sorted((GRAFANA / "dashboards").glob("*.json"))
DASHBOARDS: Final[dict[str, dict[str, Any]]] = {path.stem: json.loads(path.read_text("utf-8")) for path in FILES}


class Target(NamedTuple):
    """A query of a panel."""

    dashboard: str
    panel: dict[str, Any]
    expression: str
    instant: bool

    def __str__(self) -> str:
        return f"{DASHBOARDS[self.dashboard]['title']} / {self.panel['title']}: {self.expression}"


def panels(dashboard: str) -> list[dict[str, Any]]:
    """The panels that show something; rows are headings only."""
    return [panel for panel in DASHBOARDS[dashboard]["panels"] if panel["type"] != "row"]


def targets() -> Iterator[Target]:
    for name in DASHBOARDS:
        for panel in panels(name):
            for target in panel.get("targets", ()):
                yield Target(name, panel, target["expr"], target.get("instant", False))


def variables(dashboard: str) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in DASHBOARDS[dashboard]["templating"]["list"]}


def scrape_seconds() -> int:
    """How often Prometheus looks, as its data source tells Grafana."""
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    return int(source["jsonData"]["timeInterval"].removesuffix("s"))


def filled(expression: str, values: Mapping[str, str]) -> str:
    """An expression with Grafana's variables filled in; raises KeyError for one that there is not."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: values[found[1] or found[2]], expression)


def everything(range_seconds: float) -> dict[str, str]:
    """What Grafana fills in while nobody has chosen anything, on a time so short that the screen has more points."""
    values = {
        name: found["allValue"] for each in DASHBOARDS for name, found in variables(each).items() if "allValue" in found
    }
    return {**values, "__rate_interval": f"{4 * scrape_seconds()}s", "__range": f"{max(1, round(range_seconds))}s"}
