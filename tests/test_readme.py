"""The README says what is: its example is what the worker answers, its tables are the commands and the settings.

After a wanted change, `python -m tests.test_readme` writes the example anew; read the difference.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr

from contracts.pack_file import load_directory
from contracts.payout import READ_PAYOUT
from workers.adjudication.explain import explain
from workers.cli import app
from workers.contracts_book.examples import SETTLED
from workers.desk.preview_page import reversal_page
from workers.desk.reversal import reversed_event, try_reversal
from workers.desk.source import FileSource
from workers.settings import PREFIX, Settings
from workers.settlement.offline import Settler

SECOND_BILL = {
    "msgid": "H33010000001202109011115000001",
    "setl_id": "S2021-0002",
    "mdtrt_id": "M2021-0002",
    "begndate": "2021-08-22",
    "enddate": "2021-09-01",
    "setl_time": "2021-09-01T11:15:00+08:00",
    "medfee_sumamt": "180000.00",
    "inscp_scp_amt": "160000.00",
    "hifp_pay": "90000.00",
    "hifmi_pay": "30000.00",
}
"""A longer stay in September: 180,000.00, of which the platform has paid 120,000.00."""

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "ops" / "decisions").glob("*.md"))]

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def block(mark: str) -> str:
    """The fenced block after `<!-- mark -->`."""
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found is not None, mark
    return found[1]


def table(mark: str) -> list[list[str]]:
    """The cells of the table after `<!-- mark -->`, its head left out."""
    found = re.search(rf"<!-- {mark} -->\n((?:\|.*\n)+)", README)
    assert found is not None, mark
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in found[1].splitlines()]
    return rows[2:]


def settled() -> Any:
    """What the worker answers to the event of the README."""
    (payout,) = Settler(load_directory(None)).take(block("event").encode()).payouts
    return json.loads(json.dumps(payout))


def shown() -> dict[str, str]:
    """What the marked blocks must say. The digest is left out: it changes with every edit of a pack."""
    payout = settled()
    told = READ_PAYOUT.validate_json(json.dumps(payout))
    return {
        "explanation": DIGEST.sub("sha256:…", explain(told)),
        "line": json.dumps(payout["lines"][3], ensure_ascii=False, indent=1) + "\n",
    }


def preview() -> str:
    """What the desk shows for taking the first of the two bills back that the README tells of."""
    bills = [json.loads(block("event")) | changes for changes in ({}, SECOND_BILL)]
    source = FileSource(load_directory(None), [json.dumps(bill).encode() for bill in bills])
    first = bills[0]
    event = reversed_event(first["psn_no"], first["setl_id"], msgid="R1", setl_time="2021-12-01T09:00:00+08:00")
    tried = asyncio.run(try_reversal(source, event, first["psn_no"]))
    page = reversal_page(first["setl_id"], first["psn_no"], tried.trial.effect, tried.moved, tried.trial.signals)
    return page.partition("\n三、")[0]


def test_the_preview_is_what_the_desk_shows():
    assert block("preview") == preview()


def test_the_event_is_the_published_example():
    assert json.loads(block("event")) == SETTLED


@pytest.mark.parametrize("mark", ["explanation", "line"])
def test_the_example_is_what_comes_out(mark):
    assert block(mark) == shown()[mark]


def commands(group: typer.Typer, before: str = "yidan") -> Iterator[str]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{before} {command.name or command.callback.__name__}"
    for sub in group.registered_groups:
        assert isinstance(sub.typer_instance, typer.Typer)
        # A group without a name only keeps its commands in a file of their own.
        yield from commands(sub.typer_instance, f"{before} {sub.name}" if isinstance(sub.name, str) else before)


def test_the_commands_are_those_of_the_command_line():
    listed = {re.sub(r"`|( [A-Z[-].*)?`$", "", row[0]) for row in table("commands")}
    assert listed == set(commands(app))


def test_the_settings_are_those_of_the_worker():
    defaults = {}
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        text = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
        defaults[f"{PREFIX}{name.upper()}"] = text
    assert {row[0].strip("`"): row[1].strip("`") for row in table("settings")} == defaults


def test_every_link_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_decisions_are_numbered_without_a_gap():
    numbers = [int(page.name[:4]) for page in PAGES[1:]]
    assert numbers == list(range(1, len(numbers) + 1))


def test_decisions_say_context_choice_and_consequence():
    for page in PAGES[1:]:
        text = page.read_text(encoding="utf-8")
        assert [word for word in ("**Context.**", "**Choice.**", "**Consequence.**") if word not in text] == [], (
            page.name
        )


if __name__ == "__main__":
    text = README
    for mark, says in (*shown().items(), ("preview", preview())):
        text = text.replace(block(mark), says)
    (ROOT / "README.md").write_text(text, encoding="utf-8")
