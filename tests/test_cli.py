"""The commands as people and scripts call them: what goes to which stream, and how each ends."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.pack_file import SHIPPED
from contracts.payout import READ_PAYOUT
from contracts.quarantine import READ_REFUSED
from contracts.signals import READ_SIGNAL
from workers import cli
from workers.exits import Exit
from workers.rehearsal.broken import encoded, whole
from workers.rehearsal.county import county


def yidan(*words: str | Path, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "workers", *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, timeout=120, check=False)


def lines(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of Taizhou's pack, with its cases and documents."""
    for path in (*SHIPPED.glob("taizhou*.toml"), *SHIPPED.glob("documents/taizhou*.txt")):
        target = tmp_path / path.relative_to(SHIPPED)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    return tmp_path


def test_a_clean_file_settles_to_standard_output_and_ends_with_0() -> None:
    done = yidan("settle", "-", given=encoded(whole(1)) + b"\n" + encoded(whole(2)) + b"\n")
    assert done.returncode == 0
    assert done.stderr == b""
    payouts = lines(done.stdout)
    assert [payout["setl_id"] for payout in payouts] == [whole(1)["setl_id"], whole(2)["setl_id"]]
    for line in done.stdout.splitlines():
        READ_PAYOUT.validate_json(line)


def test_refused_events_go_to_standard_error_or_to_a_file_and_the_command_ends_with_65(tmp_path: Path) -> None:
    given = b"\n".join((encoded(whole(1)), b"{", b"", encoded({**whole(2), "med_type": "77"}))) + b"\n"
    done = yidan("settle", "-", given=given)
    assert done.returncode == 65
    assert [(refused["reason"], refused["source"]["line"]) for refused in lines(done.stderr)] == [
        ("message_is_not_json", 2),
        ("message_is_empty", 3),
        ("code_is_unknown", 4),
    ]
    apart = yidan("settle", "-", "--quarantine", tmp_path / "refused.jsonl", given=given)
    assert apart.returncode == 65
    assert apart.stderr == b""
    assert apart.stdout == done.stdout
    assert (tmp_path / "refused.jsonl").read_bytes() == done.stderr
    for line in done.stderr.splitlines():
        READ_REFUSED.validate_json(line)


def test_signals_go_to_a_file_of_their_own(tmp_path: Path) -> None:
    bill = {**whole(1), "medfee_sumamt": "320000.00", "inscp_scp_amt": "300000.00"}
    done = yidan("settle", "-", "--signals", tmp_path / "signals.jsonl", given=encoded(bill))
    assert done.returncode == 0
    signals = [READ_SIGNAL.validate_json(line) for line in (tmp_path / "signals.jsonl").read_bytes().splitlines()]
    # 320,000 yuan of bills, and so much left of it that inpatient assistance reaches its cap.
    assert [signal["kind"] for signal in signals] == ["large_bill", "cap_reached"]


def test_a_region_that_nobody_has_heard_of_needs_a_file_and_no_code(copied: Path) -> None:
    bill = encoded({**whole(1), "insuplc_admdvs": "990123"})
    unheard = yidan("settle", "-", given=bill)
    assert unheard.returncode == 65
    assert lines(unheard.stderr)[0]["reason"] == "no_pack_for_region"
    pack = copied / "taizhou.toml"
    pack.write_text(pack.read_text("utf-8").replace('"331000"', '"990100"').replace("[0, 0.70]", "[0, 0.71]"), "utf-8")
    heard = yidan("settle", "-", "--packs", copied, given=bill)
    assert heard.returncode == 0
    (payout,) = lines(heard.stdout)
    assert payout["pack"]["region"] == "990100"
    # 自理 10,000 less the supplementary 5,000, and 自负 15,000: 20,000 at 71 %.
    assert [line["fund_payamt"] for line in payout["lines"] if line["layer"] == "assistance_inpatient"] == ["14200.00"]


def test_packs_that_cannot_work_end_a_command_with_78_and_say_where(copied: Path) -> None:
    pack = copied / "taizhou.toml"
    pack.write_text(pack.read_text("utf-8").replace("rounding", "roundings", 1), "utf-8")
    done = yidan("settle", "-", "--packs", copied, given=encoded(whole(1)))
    assert done.returncode == 78
    assert b"taizhou.toml: roundings" in done.stderr


def test_a_number_changed_in_a_pack_fails_its_check_by_the_golden_case(copied: Path) -> None:
    assert yidan("packs", "check", copied).returncode == 0
    pack = copied / "taizhou.toml"
    pack.write_text(pack.read_text("utf-8").replace("cap = 600 ", "cap = 601 "), "utf-8")
    done = yidan("packs", "check", "--packs", copied)
    assert done.returncode == 1
    assert "taizhou" in done.stderr.decode()


def test_the_shipped_packs_are_listed_checked_and_printed_for_signature() -> None:
    assert yidan("packs", "check").returncode == 0
    listed = yidan("packs", "list").stdout.decode()
    assert all(region in listed for region in ("331000", "140100", "331127"))
    card = yidan("packs", "card", "140100")
    assert card.returncode == 0
    assert "40万" in card.stdout.decode()
    unknown = yidan("packs", "card", "990100")
    assert unknown.returncode == 2
    assert "331000" in unknown.stderr.decode()


def test_payouts_are_explained_and_what_is_none_is_named() -> None:
    payouts = yidan("settle", "-", given=encoded(whole(1))).stdout
    told = yidan("explain", "-", given=payouts)
    assert told.returncode == 0
    assert "14,000.00" in told.stdout.decode()
    broken = yidan("explain", "-", given=payouts + b'{"type": "settled"}\n')
    assert broken.returncode == 65
    assert told.stdout in broken.stdout
    assert b"2" in broken.stderr


def test_a_county_is_the_same_for_one_seed_and_settles_without_a_word_besides_refusals() -> None:
    words = ("generate", "--settlements", "300", "--persons", "40", "--seed", "9")
    one, two = yidan(*words), yidan(*words)
    assert one.returncode == 0
    assert one.stdout == two.stdout
    assert one.stderr == b""
    assert one.stdout.splitlines() == list(county(settlements=300, persons=40, seed=9))
    assert yidan("settle", "-", given=one.stdout).returncode in (0, 65)


def test_a_file_that_is_not_there_is_a_usage_error() -> None:
    assert yidan("settle", "/no/such/file").returncode == 2
    assert yidan("no-such-command").returncode == 2


@pytest.mark.parametrize("day", ["2021-13-01", "2021-1-1", "20210101"])
def test_a_day_that_is_none_is_told_how_days_are_written(day: str) -> None:
    adopted = yidan("packs", "adopt", "331000", "--preview", "--events", "/dev/null", "--from", day)
    paid = yidan("statements", "paid", "S", "1", "--voucher", "V", "--paid-on", day)
    for told in (adopted, paid):
        assert told.returncode == 2
        assert b"YYYY-MM-DD" in told.stderr


def test_the_settings_in_force_are_shown_as_a_file_would_write_them_and_no_secret_with_them() -> None:
    told = {"YIDAN_REDIS_URL": "rediss://user:geheim@store:6380/2", "YIDAN_PARTITIONS": "24"}
    command = [sys.executable, "-m", "workers", "config", "show"]
    done = subprocess.run(command, env={**os.environ, **told}, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0
    shown = done.stdout.decode().splitlines()
    assert {"YIDAN_PARTITIONS=24", "YIDAN_REDIS_URL=rediss://store:6380/2", "YIDAN_ALLOW_PLAINTEXT=false"} <= set(shown)
    assert "geheim" not in done.stdout.decode() + done.stderr.decode()


def test_a_fault_of_ours_is_shown_and_is_no_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def broken() -> None:
        raise RuntimeError("an invariant does not hold")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == Exit.FAULT_OF_OURS
    assert "an invariant does not hold" in capsys.readouterr().err
