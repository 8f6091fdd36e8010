"""`yidan year`, `yidan carry-in` and `yidan statement-key` as people and scripts call them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from contracts.statement import READ_STATEMENT
from contracts.year_sheet import READ_YEAR_SHEET
from tests.desk.year_events import PERSON, TAIYUAN, Event, bill, encoded, reversal
from workers.settings import PREFIX

TWO = (bill("S1", "2021-03-02", policy=32_000, catalogue=4_000), bill("S2", "2021-09-10", policy=100_000))
ROOT = Path(__file__).parents[2]


class Desk:
    """A folder with a file of events, in which commands are called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, str] = {}

    def yidan(self, *words: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return subprocess.run(
            [sys.executable, "-m", "workers", *words],
            input=given,
            capture_output=True,
            timeout=120,
            check=False,
            cwd=self.folder,
            env={**environment, **self.settings, "PYTHONPATH": str(ROOT)},
        )

    def events(self, name: str, events: Iterable[Event]) -> str:
        (self.folder / name).write_bytes(b"".join(line + b"\n" for line in encoded(events)))
        return name

    def keys(self) -> None:
        assert self.yidan("statement-key", "new", "office").returncode == 0
        (self.folder / "trusted").mkdir()
        (self.folder / "office.pub").rename(self.folder / "trusted" / "taizhou.pub")
        self.settings = {"YIDAN_STATEMENT_KEY_FILE": "office", "YIDAN_STATEMENT_TRUSTED_DIR": "trusted"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.events("events", TWO)
    return desk


def said(done: "subprocess.CompletedProcess[bytes]") -> str:
    return done.stderr.decode()


# ── the year ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_year_is_told_in_chinese_on_standard_output(desk: Desk):
    done = desk.yidan("year", PERSON, "2021", "--events", "events", "--on", "2021-11-01")
    assert (done.returncode, said(done)) == (0, "")
    text = done.stdout.decode()
    # 34,000 × 0.70 and 16,000 × 0.70 + 84,000 × 0.75 of it, up to the cap
    for words in (
        "年度待遇清单　2021 年",
        "台州市",
        "23,800.00",
        "74,200.00",
        "剩余 2,000.00",
        "由平台计算",
        "低保对象",
    ):
        assert words in text, words
    (row,) = [
        line.split() for line in text.splitlines() if line.lstrip().startswith("医疗救助·住院  ") and "75%" in line
    ][:1]
    assert row[1:] == ["75%", "37.5%", "0%", "0%"]


def test_a_year_is_one_json_object(desk: Desk):
    done = desk.yidan("year", PERSON, "2021", "--events", "events", "--json")
    assert done.returncode == 0
    sheet = READ_YEAR_SHEET.validate_json(done.stdout)
    assert sheet["regions"][0]["next_yuan"] is not None
    assert sheet["regions"][0]["next_yuan"]["on"] == "2021-12-31"
    assert len(done.stdout.splitlines()) == 1


def test_a_region_is_named_by_any_of_its_places(desk: Desk):
    both = desk.events("both", (*TWO, bill("S3", "2021-05-05", policy=30_000, region=TAIYUAN)))
    one = READ_YEAR_SHEET.validate_json(
        desk.yidan("year", PERSON, "2021", "--events", both, "--json", "--region", "331002").stdout
    )
    assert [each["region"] for each in one["regions"]] == ["331000"]
    none = desk.yidan("year", PERSON, "2021", "--events", both, "--region", "331127")
    assert none.returncode == 65
    assert "331000, 140100" in said(none)
    assert PERSON not in said(none)


@pytest.mark.parametrize(("person", "year"), [("P9", "2021"), (PERSON, "2020")])
def test_a_year_that_nobody_knows_is_said_in_a_line_and_ends_with_65(desk: Desk, person: str, year: str):
    done = desk.yidan("year", person, year, "--events", "events")
    assert (done.returncode, done.stdout) == (65, b"")
    assert said(done) == f"there is no ledger of {year} for this person\n"


@pytest.mark.parametrize(
    "words",
    [
        ("--on", "2022-01-01"),
        ("--on", "yesterday"),
        ("statement.json",),
        ("--export", "--json"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(desk: Desk, words: tuple[str, ...]):
    desk.keys()
    done = desk.yidan("year", PERSON, "2021", "--events", "events", *words)
    assert done.returncode == 2
    assert done.stdout == b""
    assert "Traceback" not in said(done)


def test_a_running_system_that_is_not_there_ends_with_69(desk: Desk):
    desk.settings = {"YIDAN_KAFKA_BOOTSTRAP": "127.0.0.1:1", "YIDAN_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = desk.yidan("year", PERSON, "2021")
    assert done.returncode == 69
    assert "Traceback" not in said(done)


# ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_for_its_owner_alone_and_never_overwritten(desk: Desk):
    done = desk.yidan("statement-key", "new", "office")
    assert done.returncode == 0
    assert done.stdout.startswith(b"ed25519:")
    private, public = desk.folder / "office", desk.folder / "office.pub"
    assert private.stat().st_mode & 0o777 == 0o600
    kept = private.read_bytes(), public.read_bytes()
    assert desk.yidan("statement-key", "new", "office").returncode == 2
    private.rename(desk.folder / "elsewhere")
    assert desk.yidan("statement-key", "new", "office").returncode == 2, "its public key is still there"
    assert not private.exists()
    assert ((desk.folder / "elsewhere").read_bytes(), public.read_bytes()) == kept


def test_without_a_key_nothing_is_signed_and_the_mend_is_said(desk: Desk):
    done = desk.yidan("year", PERSON, "2021", "--events", "events", "--export")
    assert (done.returncode, done.stdout) == (78, b"")
    assert "`yidan statement-key new FILE`" in said(done)
    (desk.folder / "no-key").write_text("no key")
    desk.settings = {"YIDAN_STATEMENT_KEY_FILE": "no-key"}
    done = desk.yidan("year", PERSON, "2021", "--events", "events", "--export")
    assert done.returncode == 78
    assert said(done).startswith("YIDAN_STATEMENT_KEY_FILE: no-key: holds no unencrypted private key")


def test_without_trusted_offices_nothing_is_carried_in(desk: Desk):
    done = desk.yidan("carry-in", "-", "--psn-no", "P1", "--insuplc-admdvs", "331002", "--events", "events")
    assert done.returncode == 78
    assert said(done).startswith("YIDAN_STATEMENT_TRUSTED_DIR: not set")


# ── out and in ────────────────────────────────────────────────────────────────────────────────────────────────


def exported(desk: Desk, *words: str) -> bytes:
    done = desk.yidan("year", PERSON, "2021", "--events", "events", "--export", *words)
    assert (done.returncode, said(done)) == (0, "")
    return done.stdout


def carry(desk: Desk, *words: str, given: bytes) -> "subprocess.CompletedProcess[bytes]":
    here: Any = ("--psn-no", "P7", "--insuplc-admdvs", "331002", "--events")
    return desk.yidan("carry-in", "-", *here, *(words or ("none",)), given=given)


def test_a_statement_goes_out_and_comes_in_as_the_event_that_begins_the_year(desk: Desk):
    desk.keys()
    desk.events("none", ())
    text = exported(desk)
    statement = READ_STATEMENT.validate_json(text)
    assert statement["as_of"] is None
    done = carry(desk, given=text)
    assert done.returncode == 0
    event = json.loads(done.stdout)
    assert (event["psn_no"], event["known_at"]) == ("P7", statement["issued_at"])
    assert event["layers"]["assistance_inpatient"] == {"base": "134000.00", "paid": "98000.00"}
    assert "taizhou" in said(done)
    assert "98,000.00" in said(done)
    assert "P7" not in said(done)
    page = carry(desk, "none", "--dry-run", given=text)
    assert (page.returncode, said(page)) == (0, "")
    assert "98,000.00" in page.stdout.decode()

    # The event is what a worker takes: 2,000 of the cap are left where the person goes on.
    stay = {**bill("S9", "2021-12-01", policy=50_000), "psn_no": "P7"}
    desk.events("begun", (event, stay))
    sheet = READ_YEAR_SHEET.validate_json(desk.yidan("year", "P7", "2021", "--events", "begun", "--json").stdout)
    (layer,) = [each for each in sheet["regions"][0]["layers"] if each["layer"] == "assistance_inpatient"]
    assert (layer["paid"], layer["cap_left"]) == ("100000.00", "0.00")
    again = carry(desk, "begun", given=text)
    assert (again.returncode, again.stdout) == (0, b"")
    assert "carried in before" in said(again)


def test_a_statement_is_written_to_a_file(desk: Desk):
    desk.keys()
    assert exported(desk, "statement.json") == b""
    READ_STATEMENT.validate_json((desk.folder / "statement.json").read_bytes())
    assert desk.yidan("year", PERSON, "2021", "--events", "events", "--export", "no/such/folder").returncode == 2


def test_a_statement_is_of_one_region(desk: Desk):
    desk.keys()
    desk.events("events", (*TWO, bill("S3", "2021-05-05", policy=30_000, region=TAIYUAN)))
    done = desk.yidan("year", PERSON, "2021", "--events", "events", "--export")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "331000, 140100" in said(done)
    assert READ_STATEMENT.validate_json(exported(desk, "--region", "140100"))["region"] == "140100"


def test_what_was_altered_or_is_older_is_refused_with_65(desk: Desk):
    desk.keys()
    older = exported(desk)
    desk.events("none", ())
    forged = carry(desk, given=older.replace(b"98000.00", b"18000.00"))
    assert (forged.returncode, forged.stdout) == (65, b"")
    assert said(forged).startswith("the statement is not as taizhou signed it")
    desk.events("events", (*TWO, reversal("S1", "2021-10-01")))
    desk.events("begun", (json.loads(carry(desk, given=exported(desk)).stdout),))
    stale = carry(desk, "begun", given=older)
    assert (stale.returncode, stale.stdout) == (65, b"")
    assert "a later statement" in said(stale)


def test_a_layer_is_named_until_it_is_left_out(desk: Desk):
    desk.keys()
    text = exported(desk)
    there = ("--psn-no", "P7", "--insuplc-admdvs", "331127", "--events", "events")
    done = desk.yidan("carry-in", "-", *there, given=text)
    assert done.returncode == 65
    assert "--layer supplementary=-" in said(done)
    renamed = ("supplementary=-", "assistance_outpatient=-", "assistance_inpatient=high_expense_subsidy")
    options = [word for each in renamed for word in ("--layer", each)]
    assert list(json.loads(desk.yidan("carry-in", "-", *there, *options, given=text).stdout)["layers"]) == [
        "high_expense_subsidy"
    ]
    assert desk.yidan("carry-in", "-", *there, "--layer", "supplementary", given=text).returncode == 2
    nowhere = desk.yidan(
        "carry-in", "-", "--psn-no", "P7", "--insuplc-admdvs", "990101", "--events", "events", given=text
    )
    assert nowhere.returncode == 65
    assert "no policy pack" in said(nowhere)
