"""The runbook keeps up with the code: every stop has its heading, every failure names a test that there is."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tests.syntax import tree
from workers.cli import app
from workers.settlement.ports import StopReason

ROOT = Path(__file__).parents[1]
RUNBOOK = (ROOT / "ops" / "runbook.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\(\.\./(tests/[^)#]+)#(\w+)\)", RUNBOOK)
HEADINGS = set(re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE))


RULES = yaml.safe_load((ROOT / "ops" / "prometheus" / "rules" / "alerts.yml").read_text(encoding="utf-8"))
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}


def test_every_alert_has_a_heading_that_says_what_to_do_and_every_such_heading_an_alert() -> None:
    section = RUNBOOK.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    told = {
        heading: text.strip() for heading, text in re.findall(r"^### (\w+)\n((?:(?!###).*\n)+)", section, re.MULTILINE)
    }
    assert set(told) == set(ALERTS)
    assert not [heading for heading, text in told.items() if len(text) < 80]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_its_own_heading(name: str) -> None:
    file, _, anchor = ALERTS[name]["annotations"]["runbook_url"].partition("#")
    assert ROOT / file == ROOT / "ops" / "runbook.md"
    assert anchor in {heading.lower() for heading in HEADINGS}
    assert anchor == name.lower()


@pytest.mark.parametrize("reason", StopReason)
def test_every_reason_to_stop_has_a_heading_that_says_what_to_do(reason: StopReason) -> None:
    assert reason.value in HEADINGS


def test_every_command_that_it_names_is_one_that_there_is() -> None:
    named = set(re.findall(r"\byidan ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", "\n".join(re.findall(r"`([^`\n]+)`", RUNBOOK))))
    assert len(named) > 20
    for words in named:
        found: Any = typer.main.get_command(app)
        for word in words.split():
            if not hasattr(found, "commands"):
                break
            assert word in found.commands, words
            found = found.commands[word]


def test_every_failure_links_to_a_test_that_there_is() -> None:
    assert len(LINKS) >= 12
    for path, name in LINKS:
        nodes = ast.walk(tree(ROOT / path))
        defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in defined, f"{path} has no {name}"


def test_every_row_of_the_last_table_has_a_test() -> None:
    table = RUNBOOK.rpartition("\n## ")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert rows
    assert not [row for row in rows if "](../tests/" not in row]
