"""Draws every dashboard with the data of a run, as a likeness for the README: `make previews`.

The run is that of tests/dashboards/observed.py, only longer: a store that is killed, a worker that comes and goes.
Needs Debian's prometheus, prometheus-redis-exporter and fonts-noto-cjk, and what requirements/previews.txt names.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from ops.grafana.drawing import draw, use_chinese
from ops.grafana.values import Line
from tests.dashboards.files import DASHBOARDS, GRAFANA, everything, filled
from tests.dashboards.observed import Prometheus, missing, observed

SECONDS: Final = 150.0
NOTE: Final = (
    "预览：由一次本机运行的数据绘制，不是 Grafana 的画面；其间 Redis 被杀死并重启，一个进程加入又退出。"
    "  Preview drawn from the data of a run on one machine, not Grafana's rendering."
)


async def main() -> int:
    if lacking := missing():
        print(f"not installed: apt-get install {' '.join(lacking)}", file=sys.stderr)
        return 69
    use_chinese()
    with tempfile.TemporaryDirectory() as folder:
        async with observed(Path(folder), SECONDS) as run:
            values = everything(run.seconds)
            for name, dashboard in DASHBOARDS.items():
                to = GRAFANA / "previews" / f"{name}.png"
                to.parent.mkdir(exist_ok=True)
                draw(
                    dashboard, lambda panel, target: asked(run, values, target), marks(run, values, dashboard), NOTE, to
                )
                print(f"{to}: {to.stat().st_size / 1000:.0f} kB")
    return 0


def asked(run: Prometheus, values: dict[str, str], target: dict[str, Any]) -> list[Line]:
    """What a target came to, its series named as its legend says."""
    expression = filled(target["expr"], values)
    found = run.at_the_end(expression) if target.get("instant") else run.over_time(expression)
    return [
        Line(
            called(target["legendFormat"], series["metric"]),
            series["metric"],
            [(float(time), float(value)) for time, value in series.get("values") or [series["value"]]],
        )
        for series in found
    ]


def called(legend: str, labels: dict[str, str]) -> str:
    if legend == "__auto":
        return " ".join(value for name, value in labels.items() if name != "__name__")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)


def marks(run: Prometheus, values: dict[str, str], dashboard: dict[str, Any]) -> list[tuple[float, str]]:
    """Annotations: when, and in which colour."""
    found = []
    for mark in dashboard["annotations"]["list"]:
        for series in run.over_time(filled(mark["target"]["expr"], values)):
            time, value = series["values"][0]
            found.append((float(value) / 1000 if mark.get("useValueForTime") else float(time), mark["iconColor"]))
    return [(max(moment, run.began), colour) for moment, colour in found]


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
