"""Writes the dashboards from what `ops/grafana/boards` says, and beside them what Grafana's linter need not mind.

make dashboards                       ops/grafana/dashboards/*.json and .lint
make dashboards RUNBOOK=https://…     the same, with the address under which your installation keeps the runbook
"""

import argparse
import json
from pathlib import Path
from typing import Final

import yaml

from ops.grafana.boards.ask import WHY
from ops.grafana.boards.frame import RUNBOOK, Board, excuses, framed
from ops.grafana.boards.layers import LAYERS
from ops.grafana.boards.overview import OVERVIEW
from ops.grafana.boards.pipeline import PIPELINE
from ops.grafana.boards.policy import POLICY

HERE: Final = Path(__file__).parent / "dashboards"

BOARDS: Final = (OVERVIEW, LAYERS, PIPELINE, POLICY)


def written(runbook: str = RUNBOOK) -> dict[str, str]:
    """Every file by its name."""
    files = {
        f"{board.uid}.json": json.dumps(framed(board, BOARDS, runbook), ensure_ascii=False, indent=1, sort_keys=True)
        + "\n"
        for board in BOARDS
    }
    return {**files, ".lint": _lint(BOARDS)}


def _lint(boards: tuple[Board, ...]) -> str:
    """Which panels cannot keep which rule, and why: read by dashboard-linter and by our own tests."""
    found: dict[str, list[dict[str, str]]] = {}
    for board in boards:
        for (rule, why), titles in excuses(board).items():
            found.setdefault(rule, []).extend(
                {"dashboard": board.title, "panel": title, "reason": WHY[why]} for title in titles
            )
    exclusions = {rule: {"reason": "see each entry", "entries": entries} for rule, entries in sorted(found.items())}
    return yaml.safe_dump({"exclusions": exclusions}, allow_unicode=True, sort_keys=False, width=160)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runbook", default=RUNBOOK, help="where your installation keeps ops/runbook.md")
    HERE.mkdir(exist_ok=True)
    for name, text in written(parser.parse_args().runbook or RUNBOOK).items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
