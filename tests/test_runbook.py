"""The runbook keeps up with the code: every stop has its heading, every failure names a test that there is."""

import ast
import re
from pathlib import Path

import pytest

from workers.settlement.ports import StopReason

ROOT = Path(__file__).parents[1]
RUNBOOK = (ROOT / "ops" / "runbook.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\(\.\./(tests/[^)#]+)#(\w+)\)", RUNBOOK)
HEADINGS = set(re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE))


@pytest.mark.parametrize("reason", StopReason)
def test_every_reason_to_stop_has_a_heading_that_says_what_to_do(reason: StopReason) -> None:
    assert reason.value in HEADINGS


def test_every_failure_links_to_a_test_that_there_is() -> None:
    assert len(LINKS) >= 12
    for path, name in LINKS:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in defined, f"{path} has no {name}"


def test_every_row_of_the_last_table_has_a_test() -> None:
    table = RUNBOOK.rpartition("\n## ")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert rows
    assert not [row for row in rows if "](../tests/" not in row]
