"""`yidan reverse`, `audit` and `pending` as people and scripts call them: streams, exit codes, what is never said."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.pack_file import SHIPPED
from tests.desk.year_events import PERSON, Event, encoded
from tests.desk.years import bill
from tests.test_cli import yidan

YEAR = (bill("A", "2021-06-10", "2303", 60_000), bill("B", "2021-03-02", "2306", 30_000))
STAY = bill("J", "2022-02-01", "2303", 30_000, insuplc_admdvs="331127")


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return written(tmp_path, *YEAR, STAY)


def written(folder: Path, *events: Event) -> Path:
    path = folder / "events.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in encoded(events)))
    return path


def last_first(folder: Path) -> Path:
    """The shipped packs, Taizhou's reversing from the last."""
    for path in (*SHIPPED.glob("*.toml"), *SHIPPED.glob("documents/*.txt")):
        target = folder / "packs" / path.relative_to(SHIPPED)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text("utf-8")
        target.write_text(text.replace('corrections = "cascade"', 'corrections = "last_first"'), "utf-8")
    return folder / "packs"


def reverse(*words: str | Path, psn_no: str = PERSON) -> Any:
    return yidan("reverse", *words, "--psn-no", psn_no)


def test_a_preview_goes_to_standard_output_and_says_nothing_else(events: Path) -> None:
    done = reverse("--preview", "A", "--events", events)
    assert done.returncode == 0
    assert done.stderr == b""
    page = done.stdout.decode()
    assert "撤销预览　结算流水号 A" in page
    assert PERSON in page
    assert "按基金合计" in page


def test_a_preview_for_machines_holds_what_the_worker_would_emit(events: Path) -> None:
    done = reverse("A", "--preview", "--json", "--msgid", "R-1", "--events", events)
    told = json.loads(done.stdout)
    assert (done.returncode, told["effect"], told["sent"]) == (0, "reversed", False)
    after = events.with_name("after.jsonl")
    after.write_bytes(events.read_bytes() + json.dumps(told["event"]).encode() + b"\n")
    settled = yidan("settle", after).stdout.splitlines()[3:]
    assert [json.loads(line) for line in settled] == told["payouts"]
    assert told["movements"]["totals"]["payouts"] == len(settled)


def test_without_preview_a_file_of_events_gets_the_event_and_nobody_is_named_to_the_terminal(events: Path) -> None:
    time = "2021-12-01T09:00:00+08:00"
    done = reverse("A", "--events", events, "--msgid", "R-1", "--setl-time", time)
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "type": "reversed",
        "msgid": "R-1",
        "setl_id": "A",
        "psn_no": PERSON,
        "setl_time": time,
    }
    assert "撤销预览" in done.stderr.decode()
    assert PERSON not in done.stderr.decode()
    with events.open("ab") as file:
        file.write(done.stdout)
    again = reverse("A", "--preview", "--json", "--events", events)
    assert json.loads(again.stdout)["effect"] == "repeated"


def test_each_reversal_gets_a_message_id_of_its_own_and_the_time_of_day(events: Path) -> None:
    one, two = (json.loads(reverse("A", "--events", events).stdout) for _ in range(2))
    assert one["msgid"] != two["msgid"]
    assert one["setl_time"].endswith("+08:00")


def test_a_refused_reversal_is_not_sent_and_says_by_name_what_to_do(tmp_path: Path, events: Path) -> None:
    packs = last_first(tmp_path)
    done = reverse("A", "--events", events, "--packs", packs)
    assert done.returncode == 65
    assert done.stdout == b""
    assert "later_settlements_exist (setl_id)：该统筹区要求后结先撤" in done.stderr.decode()
    told = json.loads(reverse("A", "--json", "--preview", "--events", events, "--packs", packs).stdout)
    assert (told["refused"]["reason"], told["refused"]["mend"]["answer"]) == ("later_settlements_exist", "ask")
    assert reverse("B", "--preview", "--events", events, "--packs", packs).returncode == 0
    malformed = reverse("A", "--events", events, "--setl-time", "2021-12-01")
    assert malformed.returncode == 65
    assert "date_is_impossible" in malformed.stderr.decode()


def test_a_settlement_that_never_came_would_be_remembered(events: Path) -> None:
    done = reverse("Z", "--preview", "--events", events)
    assert done.returncode == 0
    assert "没有收到过该结算号" in done.stdout.decode()


def test_a_mistyped_settlement_is_not_sent_unless_it_is_said_to_be_unseen(events: Path) -> None:
    mistyped = reverse("Z", "--events", events)
    assert (mistyped.returncode, mistyped.stdout) == (65, b"")
    assert b"--unseen" in mistyped.stderr
    meant = reverse("Z", "--unseen", "--events", events)
    assert (meant.returncode, json.loads(meant.stdout)["setl_id"]) == (0, "Z")


def test_an_audit_of_the_order_for_people_and_for_machines(events: Path) -> None:
    page = yidan("audit", "--order", PERSON, "2021", "--events", events)
    assert page.returncode == 0
    assert "到达次序审计　2021 年　331000 台州市" in page.stdout.decode()
    told = json.loads(yidan("audit", "--order", PERSON, "2021", "--json", "--events", events).stdout)
    assert (told["arrived"], told["in_order"]) == (["A", "B"], ["B", "A"])
    elsewhere = yidan("audit", "--order", PERSON, "2021", "--region", "140100", "--events", events)
    assert (elsewhere.returncode, elsewhere.stdout) == (65, b"")
    by_county = yidan("audit", "--order", PERSON, "2021", "--region", "331002", "--events", events)
    assert by_county.stdout == page.stdout


def test_an_audit_without_its_mode_or_its_person_is_a_usage_error(events: Path) -> None:
    for words in (("audit", PERSON, "2021"), ("audit", "--order"), ("audit", "--order", PERSON)):
        done = yidan(*words, "--events", events)
        assert done.returncode == 2
        assert done.stderr.startswith(b"usage: yidan audit --order PSN_NO YEAR")


def test_nobody_is_named_where_nothing_is_kept(events: Path) -> None:
    done = yidan("audit", "--order", "P-unheard-of", "2021", "--events", events)
    assert done.returncode == 65
    assert b"P-unheard-of" not in done.stderr + done.stdout


def test_who_has_not_applied_one_line_each_and_no_word_about_them_on_the_terminal(events: Path) -> None:
    done = yidan("pending", "2022", "--json", "--events", events)
    assert (done.returncode, done.stderr) == (0, b"")
    (listed,) = [json.loads(line) for line in done.stdout.splitlines()]
    # (30,000 − 10,000) × 0.50
    assert (listed["psn_no"], listed["pending_payamt"], listed["deadline"]) == (PERSON, "10000.00", "2023-06-30")
    assert listed["days_left"] < 0
    table = yidan("pending", "2022", "--events", events)
    assert "合计 1 人" in table.stdout.decode()
    assert yidan("pending", "--events", events).returncode == 0


def test_what_pending_cannot_answer_is_a_usage_error(events: Path) -> None:
    for words in (("--by", "1 May"), ("--region", "990100"), ("--region", "331000"), ("--region", "110101")):
        done = yidan("pending", "2022", *words, "--events", events)
        assert done.returncode == 2
        assert done.stderr.startswith(words[0].encode())


def test_a_file_that_is_not_there_and_servers_that_are_not_there(tmp_path: Path) -> None:
    assert reverse("A", "--preview", "--events", tmp_path / "none.jsonl").returncode == 2
