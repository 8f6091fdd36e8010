"""`yidan packs adopt`: shown before it is sent, sent once for each person-year, and nothing the second time."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts.adoption import PackAdopted
from contracts.pack_file import SHIPPED, load_directory
from tests.settlement.rig import Rig, rig
from workers.rehearsal.broken import encoded, whole
from workers.settings import PREFIX

FIRST_DAY = "2021-01-01"


@pytest.fixture
def raised(tmp_path: Path) -> Path:
    """The shipped packs, but that 低保对象 get 72 % of the first 50,000 yuan of inpatient assistance, not 70 %."""
    folder = tmp_path / "raised"
    for path in (*SHIPPED.glob("*.toml"), *SHIPPED.glob("documents/*.txt")):
        target = folder / path.relative_to(SHIPPED)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    city = folder / "taizhou.toml"
    before = city.read_text("utf-8")
    after = before.replace("tiers = [[0, 0.70], [50_000, 0.75]]", "tiers = [[0, 0.72], [50_000, 0.77]]")
    assert after != before
    city.write_text(after, "utf-8")
    return folder


def yidan(*words: str | Path, **settings: Any) -> "subprocess.CompletedProcess[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {f"{PREFIX}{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "workers", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)


def stays(*numbers: int) -> list[bytes]:
    """Each of another person: 20,000 enter inpatient assistance, of which 70 % are 14,000."""
    return [encoded(whole(number)) for number in numbers]


def adopt(raised: Path, events: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    said = ("--events", events, "--packs", raised, "--settled-under", SHIPPED)
    return yidan("packs", "adopt", "331000", "--from", FIRST_DAY, *said, *words)


def test_a_preview_says_what_would_move_and_prints_no_event(raised: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(stays(1, 2)))
    done = adopt(raised, events, "--preview", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # 20,000 × (0.72 − 0.70) for each of the two
    assert (told["person_years"], told["sent"], told["refused"]) == (2, False, {})
    assert told["totals"]["all"] == {
        "paid": "0.00",
        "returned": "0.00",
        "top_up": "800.00",
        "clawback": "0.00",
        "net": "800.00",
    }
    assert done.stderr == b""
    page = adopt(raised, events, "--preview").stdout.decode()
    assert "800.00" in page
    assert "P99" not in page


def test_the_events_move_each_person_year_once(raised: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(stays(1, 2)))
    done = adopt(raised, events)
    assert done.returncode == 0, done.stderr
    adopted = [PackAdopted.model_validate_json(line) for line in done.stdout.splitlines()]
    assert sorted(event.psn_no for event in adopted) == [whole(1)["psn_no"], whole(2)["psn_no"]]
    digest = next(pack.digest for pack in load_directory(raised).packs if pack.region == "331000")
    assert {event.digest for event in adopted} == {digest}
    # Under the new text from the start there is nothing to move.
    again = yidan("packs", "adopt", "331000", "--from", FIRST_DAY, "--events", events, "--packs", raised)
    assert (again.returncode, again.stdout) == (0, b"")


def test_days_before_the_first_and_regions_without_a_pack_are_left_alone(raised: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(stays(1)))
    said = ("--events", events, "--packs", raised, "--settled-under", SHIPPED)
    later = yidan("packs", "adopt", "331000", "--from", "2021-03-03", *said)
    assert (later.returncode, later.stdout) == (0, b"")
    nowhere = yidan("packs", "adopt", "999900", "--from", FIRST_DAY, *said)
    assert (nowhere.returncode, nowhere.stdout) == (2, b"")
    assert b"REGION" in nowhere.stderr


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


@pytest.mark.integration
@pytest.mark.timeout(240)
async def test_a_running_system_is_priced_again_exactly_as_the_preview_said(servers: Rig, raised: Path) -> None:
    await servers.send(stays(*range(12)))
    before = await servers.start()
    await before.settles(12)
    assert await before.terminate() == 0
    after = await servers.start(packs_dir=raised)
    told = servers.environment(packs_dir=raised)
    words = ("packs", "adopt", "331000", "--from", FIRST_DAY, "--json")
    preview = await asyncio.to_thread(yidan, *words, "--preview", **told)
    assert preview.returncode == 0, preview.stderr
    sent = await asyncio.to_thread(yidan, *words, **told)
    assert sent.returncode == 0, sent.stderr
    said, done = json.loads(preview.stdout), json.loads(sent.stdout)
    assert said["totals"] == done["totals"]
    assert said["totals"]["all"]["top_up"] == "4800.00"
    await after.settles(12)
    assert await after.metric("yidan_top_ups_fen_total", layer="assistance_inpatient") == 480_000
    assert await after.metric("yidan_payouts_total", kind="readjudication") == 12
    again = await asyncio.to_thread(yidan, *words, **told)
    assert json.loads(again.stdout)["person_years"] == 0
