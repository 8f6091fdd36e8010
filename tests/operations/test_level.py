"""Nobody is told anything by views that do not hold yet what had been paid."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer

from contracts.topics import PAYOUTS, RECONCILIATIONS
from tests.operations.test_operate import DATED, WANTED, counted, holds, page, publish, put, read
from tests.settlement.rig import P, Process, Rig, rig
from workers.kafka.ahead import Ahead
from workers.operations.level import Level
from workers.operations.reconcile import answer
from workers.operations.views import Views

# ── when views are level ──────────────────────────────────────────────────────────────────────────────────────


class Payouts:
    """Two partitions of payouts and the views of them. Behind each payout lies the marker of its transaction."""

    def __init__(self) -> None:
        self.payouts: list[list[int]] = [[0, 2], [0]]
        self.held, self.requests, self.now = [0, 0], {0: 1, 1: 0}, 100.0
        self.level = Level(self, lambda: list(self.held), self.asked, lambda: self.now)

    def take_in(self) -> None:
        """The views count all there is; nobody gets past the last marker."""
        self.held = [offsets[-1] + 1 for offsets in self.payouts]

    def pay(self) -> None:
        """One payout more in each partition."""
        for offsets in self.payouts:
            offsets.append(offsets[-1] + 2)

    async def ends(self) -> dict[int, int]:
        return {p: offsets[-1] + 2 for p, offsets in enumerate(self.payouts)}

    async def unread(self, spans: Mapping[int, tuple[int, int]]) -> set[int]:
        return {p for p, (at, end) in spans.items() if any(at <= offset < end for offset in self.payouts[p])}

    async def asked(self) -> dict[int, int]:
        return dict(self.requests)


async def still_waits(waiting: "asyncio.Task[None]") -> bool:
    await asyncio.sleep(0.3)
    return not waiting.done()


async def test_a_request_waits_until_the_views_hold_what_had_been_paid_when_it_came():
    there = Payouts()
    reaching, waiting = (asyncio.create_task(each) for each in (there.level.reach(), there.level.covers(0, 0)))
    assert await still_waits(waiting)
    there.held = [1, 1]
    there.now = 130.0
    assert await still_waits(waiting)
    assert there.level.behind_seconds() == 30.0
    there.take_in()
    await asyncio.wait_for(asyncio.gather(reaching, waiting), 2)
    assert there.level.at == 100.0
    assert there.level.behind_seconds() == 30.0


async def test_what_is_paid_meanwhile_is_not_waited_for():
    there = Payouts()
    reaching = asyncio.create_task(there.level.reach())
    await asyncio.sleep(0.05)
    there.take_in()
    there.pay()
    await asyncio.wait_for(reaching, 2)


async def test_a_request_that_came_later_waits_for_what_had_been_paid_by_then():
    there = Payouts()
    reaching, later = asyncio.create_task(there.level.reach()), asyncio.create_task(there.level.covers(0, 1))
    await asyncio.sleep(0.05)
    there.take_in()
    there.pay()
    there.requests = {0: 2, 1: 0}
    await asyncio.wait_for(reaching, 2)
    assert await still_waits(later)
    there.take_in()
    await there.level.reach()
    await asyncio.wait_for(later, 2)


# ── what lies beyond a position ───────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def transaction(servers: Rig, partition: int, *, name: str = "somebody") -> AsyncIterator[AIOKafkaProducer]:
    """A transaction with one record in it, open; the block ends it, or it is aborted."""
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka, transactional_id=name)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(PAYOUTS, b"{}", b"P1", partition)
    try:
        yield producer
        await producer.abort_transaction()
    finally:
        await producer.stop()


@pytest.mark.integration
@pytest.mark.timeout(120)
async def test_markers_and_what_is_not_committed_are_nothing():
    async with rig() as servers:
        ahead = Ahead(servers.settings(), PAYOUTS)
        await ahead.start()

        async def unread(positions: Mapping[int, int]) -> set[int]:
            return await ahead.unread({p: (positions[p], end) for p, end in (await ahead.ends()).items()})

        try:
            begins = dict.fromkeys(range(P), 0)
            assert await unread(begins) == set()
            await publish(servers, range(40))
            ends = await ahead.ends()
            assert await unread(begins) == {p for p, end in ends.items() if end} != set()
            assert await unread(ends) == set()
            async with transaction(servers, 1):
                assert await unread(ends) == set()
            aborted = await ahead.ends()
            assert aborted[1] > ends[1]
            assert await unread(ends) == set()
            async with transaction(servers, 2, name="another") as producer:
                await producer.commit_transaction()
                await producer.begin_transaction()
            assert await unread(aborted) == {2}
        finally:
            await ahead.stop()


# ── whoever asks while views are derived ──────────────────────────────────────────────────────────────────────


def right_claim(payouts: int, msgid: str) -> dict[str, Any]:
    """A hospital's totals for all its days, as so many payouts make them."""
    views = Views(1)
    for offset, (payout, at) in enumerate(DATED[:payouts]):
        views.take(0, offset, payout, at)
    claim = {
        "type": "totals_claimed",
        "msgid": msgid,
        "fixmedins_code": WANTED[0]["fixmedins_code"],
        "setl_optins": f"{WANTED[0]['insuplc_admdvs'][:2]}0000",
        "stmt_begndate": "2019-01-01",
        "stmt_enddate": "2019-12-31",
        **dict.fromkeys(("medfee_sumamt", "fund_pay_sumamt", "acct_pay"), "0.00"),
        "fixmedins_setl_cnt": 0,
    }
    here: Any = answer(views, json.dumps(claim).encode())
    assert here["here"]["fixmedins_setl_cnt"] > 0
    return {**claim, **here["here"]}


async def answers(servers: Rig) -> dict[str, str]:
    """What was answered to each message."""
    said = [said for _, said in await read(servers, RECONCILIATIONS)]
    return {each["msgid"]: each["stmt_rslt_dscr"] for each in said if each["type"] == "totals_answered"}


@pytest.mark.integration
@pytest.mark.timeout(120)
async def test_a_hospital_that_is_right_is_told_so_also_while_views_are_derived():
    async with rig() as servers:
        await publish(servers, range(600))
        await put(servers, RECONCILIATIONS, "H", right_claim(600, "before"))
        process = await servers.start("operate")
        await process.until(lambda: process.said("claim answered"), "an answer")
        assert await answers(servers) == {"before": "平"}
        await asyncio.sleep(1.5)
        assert await process.terminate() == 0
        await put(servers, RECONCILIATIONS, "H", right_claim(600, "rebuilt"))
        process = await servers.start("operate", "--rebuild")
        await process.until(lambda: process.said("claim answered"), "an answer")
        assert await answers(servers) == {"before": "平", "rebuilt": "平"}
        assert await process.terminate() == 0


@pytest.mark.integration
@pytest.mark.timeout(120)
async def test_nobody_is_ready_before_the_views_hold_what_had_been_paid():
    async with rig() as servers:
        await publish(servers, range(len(WANTED)))
        process = await servers.start("operate")
        while (answered := await process.get("/readyz"))[0] != 200:
            assert json.loads(answered[1])["troubles"]
            assert (await process.get("/healthz"))[0] == 200
        assert await counted(process) == len(WANTED)
        assert (await page(process, "/clearing"))["complete_until"] is not None
        assert await process.metric("yidan_operate_behind_seconds") < 5
        assert await process.terminate() == 0


@pytest.mark.integration
@pytest.mark.timeout(120)
async def test_a_request_that_waits_outlives_its_process():
    async with rig() as servers:
        await publish(servers, range(100))
        slow, ending = [await servers.start("operate") for _ in range(2)]
        for process in (slow, ending):
            await process.until(partial(has_two, process), "a share of two")
            await holds(process, WANTED[:100])
        slow.signal(signal.SIGSTOP)
        await publish(servers, range(100, 600))
        await asyncio.sleep(1.5)
        before = await ending.metric("yidan_operate_behind_seconds")
        await put(servers, RECONCILIATIONS, "H", right_claim(600, "waits"), shares(ending)[0])
        await asyncio.sleep(1.5)
        assert await ending.metric("yidan_operate_behind_seconds") > before + 1
        assert not ending.said("claim answered")
        assert await ending.terminate() == 0
        assert await answers(servers) == {}
        slow.signal(signal.SIGCONT)
        await slow.until(lambda: slow.said("claim answered"), "an answer", 60)
        assert await answers(servers) == {"waits": "平"}
        assert await slow.terminate() == 0


def has_two(process: Process) -> bool:
    return len(shares(process)) == 2


def shares(process: Process) -> list[int]:
    """The partitions that it was given last."""
    said = process.said("partitions assigned")
    return sorted(said[-1]["partitions"]) if said else []


# ── who may ask what ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.integration
@pytest.mark.timeout(120)
async def test_whoever_scrapes_needs_no_way_to_pages_that_name_persons():
    async with rig() as servers:
        process = await servers.start("operate")
        await process.until(lambda: process.pages, "its pages")
        assert process.pages != process.address
        async with ClientSession() as session:
            for path in ("/corrections", "/reconciliations", "/clearing", "/payments"):
                assert (await session.get(process.address + path)).status == 404
                assert (await session.get(process.pages + path)).status == 200
            for path in ("/metrics", "/healthz", "/readyz"):
                assert (await session.get(process.pages + path)).status == 404
                assert (await session.get(process.address + path)).status in (200, 503)
        assert await process.terminate() == 0
