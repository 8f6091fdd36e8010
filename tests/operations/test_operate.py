"""`yidan operate` on a real broker: killed, doubled, handed over, rebuilt; and its sums are those of the payouts."""

import asyncio
import json
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.clearing import READ_STATEMENT
from contracts.reconciliation import parse_signed
from contracts.topics import CLEARING, PAYOUTS, RECONCILIATIONS, VIEWS
from tests.operations.payouts import audited, corrected_stay, made_of, moved
from tests.settlement.rig import P, Process, Rig, rig, settled_at_once, some_county
from workers.settlement.emit import payout_record
from workers.settlement.validate import partition_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

COUNTY = some_county(900, persons=120)
EVENTS = [event for n in range(9) for event in (*COUNTY[100 * n : 100 * (n + 1)], *corrected_stay(n))] + COUNTY[900:]
DATED = made_of(EVENTS)
WANTED = [payout for payout, _ in DATED]
RECORDS = [payout_record(payout, at) for payout, at in DATED]  # type: ignore[arg-type]


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


async def settle(servers: Rig, events: list[bytes]) -> None:
    """Settles events with an undisturbed worker that goes again: nothing here is about settling."""
    before = (await servers.outputs()).size()
    await servers.send(events)
    worker = await servers.start()
    await worker.settles(len(events), 120)
    assert await worker.terminate() == 0
    assert (await servers.outputs()).size() > before


async def publish(servers: Rig, numbers: range) -> None:
    """Puts some of the payouts where a worker would put them."""
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka)
    await producer.start()
    for record in RECORDS[numbers.start : numbers.stop]:
        partition = partition_of(record.key or b"", P)
        await producer.send(PAYOUTS, record.value, record.key, partition, headers=record.headers)
    await producer.flush()
    await producer.stop()


async def page(process: Process, path: str) -> Any:
    status, body = await process.get(path)
    assert status == 200, body
    return json.loads(body)


async def counted(process: Process) -> int:
    """Payouts that the process's views hold."""
    rows = (await page(process, "/statistics"))["statistics"]
    return sum(sum(row["payouts"].values()) for row in rows if row["layer"] is None)


async def holds(process: Process, payouts: list[dict[str, Any]], seconds: float = 60.0) -> None:
    """Waits until the views hold so many payouts, and asserts that every sum is theirs."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + seconds
    while (found := await counted(process)) < len(payouts):
        assert clock.time() < deadline, f"{found} of {len(payouts)} are there; {''.join(process.lines[-8:])}"
        await asyncio.sleep(0.2)
    assert found == len(payouts)
    clearing = await page(process, "/clearing")
    assert await process.metric("yidan_spent_fen") == moved(payouts)
    assert sum(parse_signed(each["fund_appy_sum"]) for each in clearing["statements"]) == moved(payouts, "fixmedins")
    assert sum(parse_signed(each["fund_appy_sum"]) for each in clearing["spent"]) == moved(payouts)
    rows = (await page(process, "/statistics"))["statistics"]
    ways = ("paid", "returned", "topped_up", "clawed_back")
    assert sum(parse_signed(row[way]) for row in rows for way in ways) == moved(payouts)
    persons = (await page(process, "/corrections"))["corrections"]
    assert sum(parse_signed(row["amount"]) for row in persons) == moved(payouts, "person")


async def read(servers: Rig, topic: str) -> list[tuple[bytes, Any]]:
    """Every record of a topic, in order within a partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers.stack.kafka, auto_offset_reset="earliest")
    await consumer.start()
    logs = [TopicPartition(topic, p) for p in range(P)]
    consumer.assign(logs)
    ends, found = await consumer.end_offsets(logs), []
    try:
        async with asyncio.timeout(30):
            while any([await consumer.position(log) < ends[log] for log in logs]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(record.key, json.loads(record.value)) for record in records]
    finally:
        await consumer.stop()
    return found


async def put(servers: Rig, topic: str, key: str, message: Any, partition: int = 0) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka)
    await producer.start()
    await producer.send_and_wait(topic, json.dumps(message).encode(), key=key.encode(), partition=partition)
    await producer.stop()


# ── sums ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_sums_are_those_of_the_payouts_whoever_is_killed_and_whatever_is_handed_over(servers: Rig):
    await settle(servers, EVENTS[:300])
    first = await servers.start("operate")
    await first.until(lambda: first.address, "an address")
    await holds(first, made_wanted(300))
    assert await first.metric("yidan_operate_position") >= len(made_wanted(300))
    await settle(servers, EVENTS[300:600])
    await asyncio.sleep(0.3)  # in the middle of taking in
    await first.kill()

    # Another group, because the embedded broker never notices that the leader of one was killed. The group says
    # nothing about where the views go on.
    second = await servers.start("operate", operate_group="yidan-operate-2")
    await holds(second, made_wanted(600))
    third = await servers.start("operate", operate_group="yidan-operate-2")
    await third.until(lambda: third.said("partitions assigned"), "a share")
    await settle(servers, EVENTS[600:])
    await holds(third, WANTED)
    await holds(second, WANTED)
    shares = [process.said("partitions assigned")[-1]["partitions"] for process in (second, third)]
    assert sorted([*shares[0], *shares[1]]) == list(range(P))
    assert await second.terminate() == 0
    await third.until(lambda: third.said("partitions assigned")[-1]["partitions"] == list(range(P)), "all of them")
    await holds(third, WANTED)
    assert await third.terminate() == 0


def made_wanted(events: int) -> list[dict[str, Any]]:
    return [payout for payout, _ in made_of(EVENTS[:events])]


async def test_two_that_own_everything_at_once_say_the_same_and_disturb_nobody(servers: Rig):
    processes = [await servers.start("operate", operate_group=f"yidan-operate-{n}") for n in "ab"]
    for process in processes:
        await process.until(partial(process.said, "partitions assigned"), "partitions")
    await publish(servers, range(300))
    for process in processes:
        await holds(process, WANTED[:300])
    processes[0].signal(signal.SIGSTOP)
    await publish(servers, range(300, 600))
    await holds(processes[1], WANTED[:600])
    processes[0].signal(signal.SIGCONT)
    await holds(processes[0], WANTED[:600])
    for process in processes:
        assert await process.terminate() == 0
    third = await servers.start("operate", operate_group="yidan-operate-c")
    await holds(third, WANTED[:600])
    assert await third.terminate() == 0


async def test_the_latest_statements_on_the_topic_are_those_of_the_page_and_revisions_never_go_back(servers: Rig):
    await publish(servers, range(300))
    process = await servers.start("operate")
    await holds(process, WANTED[:300])
    await publish(servers, range(300, 600))
    await holds(process, WANTED[:600])
    await asyncio.sleep(3.0)
    clearing = await page(process, "/clearing")
    counted = await process.metric("yidan_statements_total")
    assert await process.terminate() == 0
    revisions: dict[str, list[int]] = {}
    latest = {}
    for key, said in await read(servers, CLEARING):
        READ_STATEMENT.validate_json(json.dumps(said))
        assert key.decode() == said["statement_id"]
        revisions.setdefault(said["statement_id"], []).append(said["revision"])
        latest[said["statement_id"]] = said
    assert counted == sum(map(len, revisions.values()))
    beside = {"paid_out", "open", "overpaid"}
    shown = (*clearing["statements"], *clearing["carriers"])
    assert latest == {
        each["statement_id"]: {name: value for name, value in each.items() if name not in beside} for each in shown
    }
    assert all(found == sorted(set(found)) for found in revisions.values())


async def test_a_rebuild_derives_the_same_again_and_sends_the_others_to_start_anew(servers: Rig):
    await publish(servers, range(300))
    old = await servers.start("operate")
    await holds(old, WANTED[:300])
    await asyncio.sleep(1.5)
    new = await servers.start("operate", "--rebuild", operate_group="yidan-operate-2")
    assert await old.wait() == 1
    assert "rebuilt by another process" in old.said("operations end")[0]["detail"]
    await holds(new, WANTED[:300])
    await asyncio.sleep(3.0)
    assert await new.terminate() == 0
    epochs = [value["epoch"] for key, value in await read(servers, VIEWS) if key == b'["position"]']
    assert set(epochs) == {0, 1}
    after = await servers.start("operate", operate_group="yidan-operate-3")
    await holds(after, WANTED[:300])
    assert await after.terminate() == 0


# ── committed records only ────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_never_committed_is_never_counted(servers: Rig):
    """Aborted and committed transactions in turn, while the process reads.

    On the embedded broker they come from different producers: it tells a reader in mid-log of aborted transactions that
    ended before, and the client then drops what the same producer has committed since.
    """
    process = await servers.start("operate")
    await process.until(lambda: process.said("partitions assigned"), "partitions")
    committed: list[dict[str, Any]] = []
    for wave in range(0, 120, 20):
        for commits, some in ((False, RECORDS[wave : wave + 10]), (True, RECORDS[wave + 10 : wave + 20])):
            name = f"worker-{commits}" if servers.embedded else "worker"
            producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka, transactional_id=name)
            await producer.start()
            await producer.begin_transaction()
            for record in some:
                partition = partition_of(record.key or b"", P)
                await producer.send_and_wait(PAYOUTS, record.value, record.key, partition, headers=record.headers)
            await (producer.commit_transaction() if commits else producer.abort_transaction())
            await producer.stop()
        committed += WANTED[wave + 10 : wave + 20]
    await holds(process, committed)
    await asyncio.sleep(2.0)
    assert await counted(process) == len(committed)
    assert await process.terminate() == 0


# ── what is refused at the start ──────────────────────────────────────────────────────────────────────────────


async def test_another_number_of_partitions_is_refused_by_name(servers: Rig):
    process = await servers.start("operate", partitions=P + 1)
    assert await process.wait() == 78
    assert "partitions, must be 5" in process.said("operations end")[0]["detail"]


async def test_a_port_that_somebody_has_is_refused_by_its_setting(servers: Rig):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = await servers.start("operate", operate_http_port=taken.getsockname()[1])
        assert await process.wait() == 78
    assert "YIDAN_OPERATE_HTTP_PORT" in process.said("operations end")[0]["detail"]


async def test_views_that_know_more_than_the_payouts_are_not_gone_on_with(servers: Rig):
    """As after payouts were lost, or made anew, while the views stayed."""
    position = {"epoch": 0, "offset": 7, "value": None}
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka)
    await producer.start()
    await producer.send_and_wait(VIEWS, json.dumps(position).encode(), key=b'["position"]', partition=2)
    await producer.stop()
    process = await servers.start("operate")
    assert await process.wait() == 1
    assert "partition 2 know more" in process.said("operations end")[0]["detail"]
    again = await servers.start("operate", "--rebuild", operate_group="yidan-operate-2")
    await again.until(lambda: again.said("partitions assigned"), "partitions")
    await publish(servers, range(100))
    await holds(again, WANTED[:100])
    assert await again.terminate() == 0


async def test_a_payout_that_cannot_be_read_ends_the_process_and_is_not_stepped_over(servers: Rig):
    process = await servers.start("operate")
    await process.until(lambda: process.said("partitions assigned"), "partitions")
    await put(servers, PAYOUTS, "P330000000001", {"type": "combined_payout", "psn_no": "P330000000001"})
    assert await process.wait() == 1
    assert "P330000000001" not in "".join(process.lines)


# ── reconciliation ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_hospital_asks_on_the_topic_and_is_answered_there(servers: Rig):
    await publish(servers, range(100))
    process = await servers.start("operate")
    await holds(process, WANTED[:100])
    payout = next(payout for payout in WANTED[:100] if payout["kind"] == "settlement")
    hospital = payout["fixmedins_code"]
    claim = {
        "type": "lines_claimed",
        "msgid": "Q1",
        "fixmedins_code": hospital,
        "setl_optins": f"{payout['insuplc_admdvs'][:2]}0000",
        "stmt_begndate": "2019-01-01",
        "stmt_enddate": "2019-12-31",
        "lines": [],
    }
    await put(servers, RECONCILIATIONS, hospital, claim)

    await process.until(lambda: process.said("claim answered"), "an answer")
    assert await process.metric("yidan_claims_total") == 1
    said = [said for _, said in await read(servers, RECONCILIATIONS) if said["type"] != "lines_claimed"]
    assert [(each["type"], each["msgid"]) for each in said] == [("lines_answered", "Q1")]
    await asyncio.sleep(1.0)
    shown = await page(process, "/reconciliations?msgid=Q1")
    assert shown["reconciliations"] == said
    text = "".join(process.lines)
    assert payout["psn_no"] not in text
    assert await process.terminate() == 0


async def test_a_claim_that_comes_while_views_are_derived_again_is_answered_with_everything_that_was_settled(
    servers: Rig,
):
    """Every hospital sends an empty file for all its days: it is told of each of its rows, and of no fewer."""
    await settle(servers, EVENTS)
    payouts = [payout for payout in WANTED if payout["kind"] in ("settlement", "reversal")]
    hospital = Counter(payout["fixmedins_code"] for payout in payouts).most_common(1)[0][0]
    region = next(payout["insuplc_admdvs"] for payout in payouts if payout["fixmedins_code"] == hospital)
    claims = [
        {
            "type": "totals_claimed",
            "msgid": f"Q{year}",
            "fixmedins_code": hospital,
            "setl_optins": f"{region[:2]}0000",
            "stmt_begndate": f"{year}-01-01",
            "stmt_enddate": f"{year}-12-31",
            **dict.fromkeys(("medfee_sumamt", "fund_pay_sumamt", "acct_pay", "fixmedins_setl_cnt"), 0),
        }
        for year in range(2015, 2027)
    ]
    for claim in claims:
        await put(servers, RECONCILIATIONS, hospital, claim)
    process = await servers.start("operate", "--rebuild")
    await process.until(lambda: len(process.said("claim answered")) == len(claims), "answers", 120)
    said = [said for _, said in await read(servers, RECONCILIATIONS) if said["type"] != "totals_claimed"]
    await holds(process, WANTED)
    for claim in claims:
        await put(servers, RECONCILIATIONS, hospital, claim)
    await process.until(lambda: len(process.said("claim answered")) == 2 * len(claims), "answers", 120)
    later = [said for _, said in await read(servers, RECONCILIATIONS) if said["type"] != "totals_claimed"]
    assert {each["type"] for each in later} == {"totals_answered"}
    here = [{each["msgid"]: each["here"] for each in each_time} for each_time in (said, later[len(said) :])]
    assert here[0] == here[1]
    assert sum(sums["fixmedins_setl_cnt"] for sums in here[0].values()) > 0
    assert await process.terminate() == 0


def test_the_wanted_sums_are_the_auditors_and_none_of_them_is_nothing():
    wanted_by_the_auditor = audited(EVENTS)
    for payee in ("fixmedins", "person", None):
        assert moved(WANTED, payee) == moved(wanted_by_the_auditor, payee) != 0
        assert moved(made_wanted(300), payee) != 0


def test_the_wanted_payouts_are_those_of_an_uninterrupted_run():
    assert {payout["payout_id"] for payout in WANTED} == settled_at_once(EVENTS).payouts.keys()
