"""A reversal against a running system: the preview is what the worker then says, byte for byte and nothing else."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from contracts.topics import PAYOUTS, SIGNALS
from tests.desk.year_events import PERSON, Event, encoded
from tests.desk.years import bill
from tests.settlement.rig import Rig, rig
from workers.kafka.outside import everything_committed
from workers.settings import PREFIX

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

YEAR: list[Event] = [
    bill("A", "2021-03-02", "2303", 0, 10_000),
    bill("B", "2021-06-10", "2303", 60_000, fixmedins_code="H2"),
    bill("C", "2021-09-01", "2303", 90_000),
]


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


async def yidan(servers: Rig, *words: str) -> tuple[int, bytes, bytes]:
    """A command against the servers, as somebody at a desk gives it."""
    settings = servers.settings()
    given = {name: getattr(settings, name) for name in ("kafka_bootstrap", "partitions", "journal_from_start")}
    given["redis_url"] = servers.stack.redis
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers", *words),
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
            **{f"{PREFIX}{name.upper()}": str(value) for name, value in given.items()},
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
    )
    out, err = await process.communicate()
    return process.returncode or 0, out, err


async def said(servers: Rig, topic: str) -> list[bytes]:
    return [record.value or b"" for record in await everything_committed(servers.settings(), [topic])]


async def test_the_preview_is_what_the_worker_then_emits_and_the_reversal_is_settled(servers: Rig):
    worker = await servers.start()
    await servers.send(encoded(YEAR))
    await worker.settles(len(YEAR))
    before = await said(servers, PAYOUTS), await said(servers, SIGNALS)
    assert len(before[0]) == len(YEAR)

    reverse = ("reverse", "A", "--psn-no", PERSON, "--msgid", "R-1", "--setl-time", "2021-12-01T09:00:00+08:00")
    code, out, err = await yidan(servers, *reverse, "--preview", "--json")
    assert (code, err) == (0, b"")
    preview: dict[str, Any] = json.loads(out)
    assert [payout["setl_id"] for payout in preview["payouts"]] == ["A", "B", "C"]
    assert (await said(servers, PAYOUTS), await said(servers, SIGNALS)) == before

    code, out, _ = await yidan(servers, *reverse)
    assert code == 0
    assert "撤销预览" in out.decode()
    await worker.settles(len(YEAR) + 1)
    after = await said(servers, PAYOUTS), await said(servers, SIGNALS)
    assert after[0] == before[0] + [orjson.dumps(payout) for payout in preview["payouts"]]
    assert after[1] == before[1] + [orjson.dumps(signal) for signal in preview["signals"]]

    code, out, _ = await yidan(servers, *reverse, "--preview", "--json")
    assert json.loads(out)["effect"] == "repeated"
    code, out, _ = await yidan(servers, "audit", "--order", PERSON, "2021", "--json")
    assert json.loads(out)["arrived"] == ["B", "C"]
    assert await worker.terminate() == 0


async def test_who_has_not_applied_is_found_in_every_partition_and_with_no_worker_up(servers: Rig):
    stays = [
        bill(f"J{number}", "2022-02-01", "2303", 10_000 + 1_000 * number, insuplc_admdvs="331127")
        | {"psn_no": f"P33112700000{number}"}
        for number in range(1, 9)
    ]
    worker = await servers.start()
    await servers.send(encoded(stays))
    await worker.settles(len(stays))
    assert await worker.terminate() == 0
    code, out, err = await yidan(servers, "pending", "2022", "--json")
    assert (code, err) == (0, b"")
    listed = [json.loads(line) for line in out.splitlines()]
    assert [each["psn_no"] for each in listed] == [event["psn_no"] for event in reversed(stays)]
    assert [each["pending_payamt"] for each in listed] == [f"{500 * number}.00" for number in range(8, 0, -1)]
